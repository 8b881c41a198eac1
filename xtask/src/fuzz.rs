//! `cargo xtask fuzz`: mutated inputs for the readers of untrusted bytes.

use crate::Command;
use crate::step::Step;

pub const COMMAND: Command = Command {
    name: "fuzz",
    summary: "mutated files, conditions and spans for the tail sampler, redaction and the spool",
    help: "\
Runs the fuzz targets of spanwise-tail, spanwise-redact and spanwise-spool (their tests `fuzz`) for longer than `cargo test` does, with
the checks for overflow. The inputs derive from the corpus in tests/fuzz/corpus of the crate, and those of redaction from spans with
secrets, by seeded mutations. An input that fails is printed: as a file of the corpus, it is replayed by every `cargo test`.

  --seconds N   the time for each target; those of a crate run at the same time; default 60
  --seed S      begins another series of mutations; default 0

Exit status 1 when an input fails.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    let (mut seconds, mut seed) = (60, 0);
    for pair in arguments.chunks(2) {
        let number = pair.get(1).and_then(|text| text.parse::<u64>().ok());
        match (pair.first().map(String::as_str), number) {
            (Some("--seconds"), Some(number)) => seconds = number,
            (Some("--seed"), Some(number)) => seed = number,
            _ => return Err(format!("{pair:?}: accepted are --seconds N and --seed S")),
        }
    }
    let packages =
        [("spanwise-tail", ""), ("spanwise-redact", ""), ("spanwise-spool", "--features model")];
    for (package, features) in packages {
        let arguments =
            format!("test --quiet --package {package} {features} --test fuzz -- --nocapture");
        Step::cargo(format!("fuzz targets of {package}"), &arguments)
            .env("SPANWISE_FUZZ_SECONDS", &seconds.to_string())
            .env("SPANWISE_FUZZ_SEED", &seed.to_string())
            .run()?;
    }
    Ok(())
}
