//! Options of a lab's command.

use std::path::{Path, PathBuf};

/// The folder of the page, and the scenarios that run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) out: PathBuf,
    pub(crate) only: String,
}

impl Options {
    /// Reads `--out` and `--only`; `out` is the default of the first.
    pub(crate) fn parse(arguments: &[String], out: &str) -> Result<Self, String> {
        let mut options = Self { out: PathBuf::from(out), only: String::new() };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--out" => options.out = value.into(),
                "--only" => options.only.clone_from(value),
                _ => return Err(format!("knows --out and --only, but not {name:?}")),
            }
        }
        Ok(options)
    }

    /// The scenarios with the word of `--only` in their name.
    ///
    /// # Errors
    /// None has it.
    pub(crate) fn choose<T>(
        &self,
        all: &'static [T],
        name: impl Fn(&T) -> &str,
    ) -> Result<Vec<&'static T>, String> {
        let chosen: Vec<_> = all.iter().filter(|one| name(one).contains(&self.only)).collect();
        match chosen.is_empty() {
            true => Err(format!("no scenario has {:?} in its name", self.only)),
            false => Ok(chosen),
        }
    }
}

/// The message of a file that cannot be written.
pub(crate) fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let parse = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            Options::parse(&words, "default")
        };
        assert_eq!(parse(&["--out", "x", "--only", "ramp"]).unwrap().out, PathBuf::from("x"));
        assert_eq!(parse(&[]).unwrap().out, PathBuf::from("default"));
        assert!(parse(&["--out"]).is_err() && parse(&["--fast", "1"]).is_err());
        let only =
            |word: &str| parse(&["--only", word]).unwrap().choose(&["step", "ramp"], |name| name);
        assert_eq!(only("am"), Ok(vec![&"ramp"]));
        assert!(only("sine").is_err());
    }
}
