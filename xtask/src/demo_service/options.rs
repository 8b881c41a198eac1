//! The options of the service.

use std::time::Duration;

pub(super) const HELP: &str = "\
Runs the demo's service and prints one line of JSON.

  --endpoint URL       the receiver; without it nothing is traced
  --seconds N          default 5
  --rate N             spans a second, by one thread; default: as fast as two threads make them
  --compression C      none (default), gzip or zstd
  --production         with the production preset
  --config-file PATH   a configuration file
  --memory N           uses N bytes of memory and traces nothing: a process that its control group ends";

/// The options, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    pub(crate) endpoint: Option<String>,
    pub(crate) load: Load,
    pub(crate) seconds: f64,
    pub(crate) compression: String,
    pub(crate) is_production: bool,
    pub(crate) config_file: Option<String>,
}

/// The work of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// As many spans as two threads make.
    Full,
    /// Spans a second.
    Rate(u64),
    /// Bytes that the process uses; no spans.
    Memory(usize),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoint: None,
            load: Load::Full,
            seconds: 5.0,
            compression: "none".to_owned(),
            is_production: false,
            config_file: None,
        }
    }
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            if name == "--production" {
                options.is_production = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let number = |most: u64| {
                let number = value.parse().ok().filter(|number| (1..=most).contains(number));
                number.ok_or_else(|| format!("{name} {value}: accepted is 1 to {most}"))
            };
            match name.as_str() {
                "--endpoint" => options.endpoint = Some(value.clone()),
                "--seconds" => {
                    let seconds = value.parse().ok().filter(|it| (0.1..=86_400.0).contains(it));
                    options.seconds = seconds
                        .ok_or_else(|| format!("{name} {value}: accepted is 0.1 to 86400"))?;
                }
                "--rate" => options.load = Load::Rate(number(10_000_000)?),
                "--memory" => options.load = Load::Memory(number(1 << 40)? as usize),
                "--compression" => options.compression = value.clone(),
                "--config-file" => options.config_file = Some(value.clone()),
                _ => return Err(format!("no option {name}; see cargo xtask demo-service --help")),
            }
        }
        Ok(options)
    }

    /// The arguments of a process with these options.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--seconds".to_owned(), self.seconds.to_string()];
        let mut add = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        match self.load {
            Load::Full => {}
            Load::Rate(spans) => add("--rate", spans.to_string()),
            Load::Memory(bytes) => add("--memory", bytes.to_string()),
        }
        add("--compression", self.compression.clone());
        for (name, value) in [("--endpoint", &self.endpoint), ("--config-file", &self.config_file)]
        {
            if let Some(value) = value {
                add(name, value.clone());
            }
        }
        if self.is_production {
            arguments.push("--production".to_owned());
        }
        arguments
    }

    /// The time of the load.
    pub(super) fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_their_arguments() {
        let all = Options {
            endpoint: Some("http://127.0.0.1:4318".to_owned()),
            load: Load::Rate(10_000),
            seconds: 1.5,
            compression: "zstd".to_owned(),
            is_production: true,
            config_file: Some("/tmp/x y.yaml".to_owned()),
        };
        for options in [all, Options { load: Load::Memory(7), ..Options::default() }] {
            assert_eq!(Options::parse(&options.arguments()), Ok(options));
        }
        for wrong in [["--rate", "0"], ["--seconds", "x"], ["--rat", "1"]] {
            assert!(Options::parse(&wrong.map(str::to_owned)).is_err(), "{wrong:?}");
        }
    }
}
