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
    only: String,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            cache: Cache::open()?,
            seconds: Duration::from_secs(10),
            rounds: 3,
            only: String::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let number = |range: std::ops::RangeInclusive<u64>| {
                let number = value.parse().ok().filter(|number| range.contains(number));
                number.ok_or_else(|| format!("{name} needs a number in {range:?}, not {value:?}"))
            };
            match name.as_str() {
                "--seconds" => options.seconds = Duration::from_secs(number(1..=3_600)?),
                "--rounds" => options.rounds = number(1..=100)? as usize,
                "--only" => options.only = value.clone(),
                _ => return Err(format!("knows --seconds, --rounds and --only, but not {name:?}")),
            }
        }
        Ok(options)
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }
}
