//! The cases of a run: their names, their outcomes, the pages about them.

use super::case::{Case, Outcome};
use super::table;
use crate::markers::{self, Stale};
use crate::{date, step};
use std::time::{Duration, Instant};

/// The arguments of a command that runs cases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    only: Vec<String>,
    /// Cases that take minutes, too.
    pub(crate) long: bool,
    /// Writes the report into the page.
    pub(crate) write: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--only" => {
                    let word = arguments.next().ok_or("--only needs a value")?;
                    options.only.push(word.clone());
                }
                "--long" => options.long = true,
                "--write" => options.write = true,
                _ => return Err(format!("knows --only, --long and --write, but not {name:?}")),
            }
        }
        if options.write && !options.only.is_empty() {
            return Err("--write needs all cases: leave --only out".to_owned());
        }
        Ok(options)
    }

    fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| case.contains(word.as_str()))
    }
}

/// A group of cases that share a peer; an error is a failure of the group.
pub(crate) type Part<S> = fn(&S, &mut Report) -> Result<(), String>;

/// All cases of a run.
#[derive(Debug)]
pub(crate) struct Report {
    options: Options,
    cases: Vec<Case>,
    versions: Vec<String>,
    started: Instant,
}

impl Report {
    pub(crate) fn new(options: Options) -> Self {
        Self { options, cases: Vec::new(), versions: Vec::new(), started: Instant::now() }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Whether one of these cases was asked for.
    pub(crate) fn wants_any(&self, names: impl IntoIterator<Item = String>) -> bool {
        names.into_iter().any(|name| self.options.wants(&name))
    }

    /// Adds a component with its version.
    pub(crate) fn version(&mut self, text: impl Into<String>) {
        self.versions.push(text.into());
    }

    /// Runs a case and prints a line about it; nothing for a case that was not asked for.
    pub(crate) fn case(&mut self, name: &str, run: impl FnOnce() -> Result<String, String>) {
        if !self.options.wants(name) {
            return;
        }
        let started = Instant::now();
        let outcome = run().map_or_else(Outcome::Failed, Outcome::Passed);
        self.add(name, outcome, started.elapsed());
    }

    /// Adds a case of an optional part that cannot run here.
    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        if self.options.wants(name) {
            self.add(name, Outcome::Skipped(reason.to_owned()), Duration::ZERO);
        }
    }

    /// Adds a failure of a part as a whole.
    fn fail(&mut self, name: &str, reason: String) {
        self.add(name, Outcome::Failed(reason), Duration::ZERO);
    }

    fn add(&mut self, name: &str, outcome: Outcome, elapsed: Duration) {
        let (mark, text) = match &outcome {
            Outcome::Passed(text) => ("ok     ", text),
            Outcome::Failed(text) => ("FAILED ", text),
            Outcome::Skipped(text) => ("skipped", text),
        };
        println!("{mark} {name:<46} {:>6.2} s  {text}", elapsed.as_secs_f64());
        self.cases.push(Case { name: name.to_owned(), outcome });
    }

    /// Runs `parts` with what `setup` made for all of them. With `--write` the report goes into
    /// `docs/interop.md`, between the markers `name`.
    ///
    /// # Errors
    /// A case failed, none ran, or the page cannot be written.
    pub(crate) fn run_all<S>(
        mut self,
        setup: &S,
        parts: &[(&str, Part<S>)],
        name: &str,
    ) -> Result<(), String> {
        self.run_each(setup, parts);
        if self.options.write {
            let page = step::root().join("docs/interop.md");
            markers::update(&page, name, &self.markdown(&date::today()), Stale::Written)?;
        }
        self.finish()
    }

    /// Runs `parts`, and writes no page.
    ///
    /// # Errors
    /// A case failed, or none ran.
    pub(crate) fn run_parts<S>(
        mut self,
        setup: &S,
        parts: &[(&str, Part<S>)],
    ) -> Result<(), String> {
        self.run_each(setup, parts);
        self.finish()
    }

    fn run_each<S>(&mut self, setup: &S, parts: &[(&str, Part<S>)]) {
        for (part, run) in parts {
            if let Err(problem) = run(setup, self) {
                self.fail(part, problem);
            }
        }
    }

    /// Prints the counts.
    ///
    /// # Errors
    /// A case failed, or none ran.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let count =
            |is: fn(&Outcome) -> bool| self.cases.iter().filter(|case| is(&case.outcome)).count();
        let passed = count(|outcome| matches!(outcome, Outcome::Passed(_)));
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        println!(
            "\n{passed} passed, {failed} failed, {skipped} skipped in {:.0} s",
            self.started.elapsed().as_secs_f64()
        );
        match (failed, self.cases.len()) {
            (0, 0) => Err("no case has such a name".to_owned()),
            (0, _) => Ok(()),
            _ => Err(format!("{failed} cases failed")),
        }
    }

    /// The report in Markdown.
    fn markdown(&self, date: &str) -> String {
        let versions = self.versions.join(", ");
        format!("Run on {date} against {versions}.\n{}", table::of(&self.cases))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, String> {
        Options::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options() {
        assert_eq!(parse(""), Ok(Options::default()));
        let options = parse("--only forward/grpc --long").unwrap();
        assert!(options.long && options.wants("forward/grpc/gzip") && !options.wants("ring/v1"));
        for wrong in ["--only", "--fast", "--write --only ring"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_failure_fails_the_run_and_a_skipped_case_does_not() {
        let mut report = Report::new(parse("--only ring --only nginx").unwrap());
        assert!(report.finish().is_err(), "no case");
        report.case("ring/v3", || Ok("500 traces".to_owned()));
        report.case("forward/grpc", || Err("not asked for".to_owned()));
        report.skip("nginx/tls", "no nginx");
        assert_eq!(report.finish(), Ok(()));
        report.version("Collector 1.0");
        let page = report.markdown("2026-01-01");
        assert!(page.contains("| `ring/v3` | 500 traces |"), "{page}");
        assert!(page.contains("2026-01-01 against Collector 1.0."), "{page}");
        report.case("ring/v1", || Err("differs\n- a\n+ b".to_owned()));
        assert_eq!(report.finish(), Err("1 cases failed".to_owned()));
    }
}
