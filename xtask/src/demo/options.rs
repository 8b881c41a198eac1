//! The options of the demo.

use spanwise::{OnFull, Protocol};
use std::path::PathBuf;
use std::time::Duration;

pub(super) const HELP: &str = "\
Starts a receiver on this machine, runs a simulated service (a request is a server span with ten
attributes and four children with four each, one with an event), and prints what it cost.

  --seconds N          time at full speed, default 10; the other phases come on top
  --threads N          threads of the service, default: one a core
  --protocol P         http (http/protobuf, default), http/json or grpc
  --api A              otel (default): the service calls the OpenTelemetry API;
                       native: it calls Spanwise's own methods
  --on-full MODE       when the byte budget is used up: drop (default) drops and refuses spans, shed
                       drops whole traces before it is, wait makes the caller wait
  --wait               the same as --on-full wait
  --tail               export one trace in a hundred, errors and slow ones: the others are recorded
                       and not exported
  --endpoint URL       send there instead; the receiver's count is then not checked
  --json PATH          write the numbers there too

Exit status 1 when the ledger does not add up, or the receiver counted something else.";

/// The options, checked.
pub(super) struct Options {
    pub(super) seconds: f64,
    pub(super) threads: usize,
    pub(super) protocol: Protocol,
    pub(super) api: Api,
    pub(super) on_full: OnFull,
    pub(super) tail: bool,
    pub(super) endpoint: Option<String>,
    pub(super) json: Option<PathBuf>,
}

/// How the service makes its spans.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    OpenTelemetry,
    Native,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            seconds: 10.0,
            threads: std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            protocol: Protocol::HttpProtobuf,
            api: Api::OpenTelemetry,
            on_full: OnFull::Drop,
            tail: false,
            endpoint: None,
            json: None,
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            if name == "--wait" {
                options.on_full = WAIT;
                continue;
            }
            if name == "--tail" {
                options.tail = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let bad = |accepted: &str| format!("{name} {value}: accepted is {accepted}");
            match name.as_str() {
                "--seconds" => {
                    let seconds = value.parse().ok().filter(|s| (0.1..=86_400.0).contains(s));
                    options.seconds = seconds.ok_or_else(|| bad("0.1 to 86400"))?;
                }
                "--threads" => {
                    let threads = value.parse().ok().filter(|t| (1..=1024).contains(t));
                    options.threads = threads.ok_or_else(|| bad("1 to 1024"))?;
                }
                "--protocol" => {
                    options.protocol = match value.as_str() {
                        "http" | "http/protobuf" => Protocol::HttpProtobuf,
                        "http/json" => Protocol::HttpJson,
                        "grpc" => Protocol::Grpc,
                        _ => return Err(bad("http, http/json or grpc")),
                    };
                }
                "--api" => {
                    options.api = match value.as_str() {
                        "otel" => Api::OpenTelemetry,
                        "native" => Api::Native,
                        _ => return Err(bad("otel or native")),
                    };
                }
                "--on-full" => {
                    options.on_full = match value.as_str() {
                        "drop" => OnFull::Drop,
                        "shed" => OnFull::ShedByTrace,
                        "wait" => WAIT,
                        _ => return Err(bad("drop, shed or wait")),
                    };
                }
                "--endpoint" => options.endpoint = Some(value.clone()),
                "--json" => options.json = Some(PathBuf::from(value)),
                _ => return Err(format!("no option {name}; see cargo xtask demo --help")),
            }
        }
        Ok(options)
    }
}

/// Nothing is lost as long as the receiver answers at all.
const WAIT: OnFull = OnFull::Wait(Duration::from_secs(60));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_word_and_another_is_an_error() {
        let protocol = |word: &str| {
            Options::parse(&["--protocol".to_owned(), word.to_owned()]).map(|it| it.protocol)
        };
        for known in [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc] {
            assert_eq!(protocol(known.name()), Ok(known));
        }
        assert_eq!(protocol("http"), Ok(Protocol::HttpProtobuf));
        let error = protocol("json").unwrap_err();
        assert_eq!(error, "--protocol json: accepted is http, http/json or grpc");
    }
}
