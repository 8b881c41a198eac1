//! The options of `bench-all`.

pub(super) const HELP: &str = "\
Builds Spanwise and its rivals, runs them in turns, each in processes of its own, and writes
target/bench/report.{json,md,html} and the table of targets. See docs/BENCHMARKS.md.

  --quick         2 processes each instead of 5, fewer spans end to end: under eight minutes
  --check         a test, not a measurement: our own benches once each, answers only, and the
                  instructions of each against benches/instructions.json where valgrind is there
  --bless         rewrites benches/instructions.json
  --against REV   Spanwise of this git revision runs along, and the two are compared
  --only WORD     only workloads whose name has WORD in it; may be repeated

Exit status 1 when an answer is wrong, or an instruction budget is broken. A missed target alone
is no failure: on a busy machine it means little.";

/// The options, checked.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) quick: bool,
    pub(super) check: bool,
    pub(super) bless: bool,
    pub(super) against: Option<String>,
    pub(super) only: Vec<String>,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let mut value =
                || arguments.next().cloned().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--quick" => options.quick = true,
                "--check" => options.check = true,
                "--bless" => options.bless = true,
                "--against" => options.against = Some(value()?),
                "--only" => options.only.push(value()?),
                _ => return Err(format!("no option {name}; see cargo xtask bench-all --help")),
            }
        }
        Ok(options)
    }

    /// Whether the workload is asked for.
    pub(super) fn wants(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| workload.contains(word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let parse = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            Options::parse(&words)
        };
        let options = parse("--quick --only w1 --against HEAD~1").unwrap();
        assert!(options.quick && !options.check && options.wants("w1-off") && !options.wants("w3"));
        assert_eq!(options.against.as_deref(), Some("HEAD~1"));
        assert!(parse("").unwrap().wants("w3"));
        assert!(parse("--against").is_err() && parse("--fast").is_err());
    }
}
