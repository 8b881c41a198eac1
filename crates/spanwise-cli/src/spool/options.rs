//! The arguments of `spanwise spool`.

use super::times;
use spanwise_wire::TraceId;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::SystemTime;

/// The arguments of the subcommands of `spool`. Each has some of them.
#[derive(Debug, Default)]
pub struct Options {
    pub directory: PathBuf,
    pub trace_id: Option<TraceId>,
    pub service: Option<String>,
    /// In nanoseconds since the Unix epoch.
    pub since: Option<u64>,
    pub until: Option<u64>,
    pub limit: Option<usize>,
    pub endpoint: Option<String>,
    pub skip_rejected: bool,
    pub dry_run: bool,
    values: Vec<OsString>,
    /// The options that were given.
    names: Vec<String>,
}

/// The options, and the subcommand that has each.
const OPTIONS: [(&str, &str); 7] = [
    ("service", "spool find"),
    ("since", "spool find"),
    ("until", "spool find"),
    ("limit", "spool find"),
    ("endpoint", "spool replay"),
    ("skip-rejected", "spool replay"),
    ("dry-run", "spool replay"),
];

/// Whether a subcommand of `spool` has the option.
pub fn is_option(option: &str) -> bool {
    OPTIONS.iter().any(|(name, _)| *name == option)
}

impl Options {
    /// Sets an option, whose value is next.
    pub fn set(&mut self, option: &str, parser: &mut lexopt::Parser) -> Result<(), String> {
        self.names.push(option.to_owned());
        match option {
            "skip-rejected" => self.skip_rejected = true,
            "dry-run" => self.dry_run = true,
            _ => return self.set_value(option, parser),
        }
        Ok(())
    }

    fn set_value(&mut self, option: &str, parser: &mut lexopt::Parser) -> Result<(), String> {
        let value = parser.value().map_err(|error| error.to_string())?;
        let value = value.into_string().map_err(|it| {
            format!("--{option} `{}`: a text in UTF-8 is accepted", it.to_string_lossy())
        })?;
        let problem = |accepted: &str| format!("--{option} `{value}`: {accepted}");
        let time =
            || times::parse(&value, SystemTime::now()).ok_or_else(|| problem(times::ACCEPTED));
        match option {
            "service" => self.service = Some(value),
            "since" => self.since = Some(time()?),
            "until" => self.until = Some(time()?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                let accepted = format!("a number of spans from 1 to {MAX_LIMIT} is accepted");
                self.limit = Some(limit.ok_or_else(|| problem(&accepted))?);
            }
            _ => self.endpoint = Some(value),
        }
        Ok(())
    }

    /// Adds an argument that is no option.
    pub fn push(&mut self, value: OsString) -> Result<(), String> {
        if self.values.len() >= 2 {
            return Err(format!("unexpected argument `{}`", value.to_string_lossy()));
        }
        self.values.push(value);
        Ok(())
    }

    /// Checks what the subcommand needs and accepts.
    pub fn check(&mut self, command: &str) -> Result<(), String> {
        let mut values = std::mem::take(&mut self.values).into_iter();
        self.directory = match values.next() {
            Some(directory) => directory.into(),
            None => return Err(format!("`{command}` needs the directory of a spool")),
        };
        let foreign = self
            .names
            .iter()
            .find(|name| !OPTIONS.iter().any(|(option, of)| option == name && *of == command));
        if let Some(name) = foreign {
            return Err(format!("`{command}` has no option `--{name}`"));
        }
        match values.next() {
            Some(value) if command == "spool find" => {
                self.trace_id = Some(trace_id(&value.to_string_lossy())?);
            }
            Some(value) => {
                return Err(format!("unexpected argument `{}`", value.to_string_lossy()));
            }
            None => {}
        }
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since > until
        {
            return Err("--since is later than --until: the earlier time is `--since`".to_owned());
        }
        let is_query = self.service.is_some() || self.since.is_some() || self.until.is_some();
        match (command, self.trace_id) {
            ("spool find", None) if !is_query => {
                Err("`spool find` needs a trace id, or one of --service, --since and --until"
                    .to_owned())
            }
            ("spool find", Some(_)) if is_query || self.limit.is_some() => {
                Err("`spool find` with a trace id has none of --service, --since, --until and \
                     --limit: it prints all spans of the trace"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// A trace id as W3C Trace Context writes it, in upper case too.
fn trace_id(text: &str) -> Result<TraceId, String> {
    let is_id = text.len() == 32 && text.bytes().all(|it| it.is_ascii_hexdigit());
    let id = u128::from_str_radix(text, 16).ok().filter(|id| is_id && *id != 0);
    id.map(TraceId).ok_or_else(|| {
        format!("trace id `{text}`: 32 hexadecimal digits are accepted, not all of them 0")
    })
}

const MAX_LIMIT: usize = 1_000_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;

    #[test]
    fn a_trace_id_has_32_digits() {
        let text = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(trace_id(text).unwrap().to_string(), text);
        assert_eq!(trace_id(&text.to_uppercase()).unwrap().to_string(), text);
        for wrong in ["", "0af7", &text[1..], &format!("+{}", &text[1..]), &"0".repeat(32)] {
            assert_eq!(
                trace_id(wrong),
                Err(format!(
                    "trace id `{wrong}`: 32 hexadecimal digits are accepted, not all of them 0"
                ))
            );
        }
    }
}
