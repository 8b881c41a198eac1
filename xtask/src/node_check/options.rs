//! The command line.

use crate::peers::Cache;
use std::time::Duration;

/// The name of the command, which its processes have, too.
pub(super) const NAME: &str = "node-check";

/// The choices of the command line.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) cache: Cache,
    pub(super) seconds: Duration,
    pub(super) rounds: usize,
    /// The program as the tests build it: counts are checked, and no time is.
    pub(super) is_debug: bool,
    /// The parts that a merge has to pass.
    pub(super) is_quick: bool,
    only: String,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        Self::parse_with(Cache::open()?, arguments)
    }

    fn parse_with(cache: Cache, arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            cache,
            seconds: Duration::from_secs(10),
            rounds: 3,
            is_debug: false,
            is_quick: false,
            only: String::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--debug" => options.is_debug = true,
                "--quick" => (options.is_quick, options.is_debug) = (true, true),
                "--seconds" | "--rounds" | "--only" => {
                    let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
                    options.set(name, value)?;
                }
                _ => {
                    return Err(format!(
                        "knows --seconds, --rounds, --only, --debug and --quick, but not {name:?}"
                    ));
                }
            }
        }
        if options.is_quick {
            options.seconds = Duration::from_secs(1);
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = |range: std::ops::RangeInclusive<u64>| {
            let number = value.parse().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| format!("{name} needs a number in {range:?}, not {value:?}"))
        };
        match name {
            "--seconds" => self.seconds = Duration::from_secs(number(1..=3_600)?),
            "--rounds" => self.rounds = number(1..=100)? as usize,
            _ => self.only = value.to_owned(),
        }
        Ok(())
    }

    /// The rate of a load: a quarter without optimization, which all processes of this machine share.
    pub(super) fn rate(&self, spans_a_second: u64) -> u64 {
        if self.is_debug { spans_a_second / 4 } else { spans_a_second }
    }

    /// Whether the part with this name runs; `in_quick`: also for a merge.
    pub(super) fn wants(&self, name: &str, in_quick: bool) -> bool {
        name.contains(&self.only) && (in_quick || !self.is_quick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Scratch;

    #[test]
    fn a_quick_run_has_the_parts_of_a_merge() {
        let scratch = Scratch::new("node-check-options").unwrap();
        let parse = |text: &str| {
            let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            Options::parse_with(Cache::at(scratch.path().join("cache")).unwrap(), &arguments)
        };
        let options = parse("--quick --seconds 30").unwrap();
        assert!(options.is_debug && options.wants("a", true) && !options.wants("a", false));
        assert_eq!(options.seconds, Duration::from_secs(1));
        let options = parse("--only kills --rounds 2").unwrap();
        assert!(options.wants("node-kills", false) && !options.wants("node-faults", false));
        for wrong in ["--seconds", "--seconds 0", "--fast"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
