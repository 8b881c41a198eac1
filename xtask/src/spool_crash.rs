//! `cargo xtask spool-crash`: crashes of the spool, modelled and real.

use crate::Command;
use crate::step::Step;

pub const COMMAND: Command = Command {
    name: "spool-crash",
    summary: "crashes of the spool: modelled power failures, killed processes, planted bugs",
    help: "\
Crashes the spool at arbitrary operations and judges what the next start finds: each record that a sync
reported as stored is there, none is made up, and each lost span is counted.

  --points N    modelled crash points, at which the storage loses what was not synced; default 1000000,
                or none if --kills is given
  --kills N     child processes that append to a real directory and are killed with SIGKILL; default none
  --damage      changes each byte of a segment of 64 KiB in three ways, and cuts it at each length
  --planted     plants each bug of spanwise-spool in turn; each has to be found
  --seed S      the first seed; default 0
  --jobs J      threads; default one for each core

Exit status 1 when a rule is broken or a planted bug is not found.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    let (mut points, mut kills, mut seed) = (None, None, 0);
    let (mut is_planted, mut is_damage) = (false, false);
    let mut jobs = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        let flag = match name.as_str() {
            "--planted" => Some(&mut is_planted),
            "--damage" => Some(&mut is_damage),
            _ => None,
        };
        if let Some(flag) = flag {
            *flag = true;
            continue;
        }
        let value = arguments.next().and_then(|text| text.parse::<u64>().ok());
        match (name.as_str(), value) {
            ("--points", Some(count)) => points = Some(count),
            ("--kills", Some(count)) => kills = Some(count),
            ("--seed", Some(value)) => seed = value,
            ("--jobs", Some(count @ 1..)) => jobs = count,
            _ => {
                return Err(format!(
                    "{name:?}: accepted are --points N, --kills N, --damage, --planted, --seed S and --jobs J"
                ));
            }
        }
    }
    if points.is_none() && kills.is_none() && !is_planted && !is_damage {
        points = Some(1_000_000);
    }
    let test = |name: &str, target: &str, test: &str| {
        // Features of the test only: the library that ships has neither.
        let arguments = format!(
            "test --quiet --package spanwise-spool --features model,planted-bugs --test {target} -- {test} --nocapture"
        );
        // Ten times as many points in a second, with the checks for overflow that a release does not have.
        Step::cargo(name, &arguments)
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2")
            .env("SPANWISE_CRASH_SEED", &seed.to_string())
            .env("SPANWISE_CRASH_JOBS", &jobs.to_string())
    };
    if let Some(points) = points {
        test("modelled crash points", "crash", "--exact no_crash_loses_a_stored_record")
            .env("SPANWISE_CRASH_POINTS", &points.to_string())
            .run()?;
    }
    if is_damage {
        test("changed and cut segments", "catalogue", "damage").run()?;
        test("each byte of a segment", "catalogue", "--ignored").run()?;
    }
    if is_planted {
        test("planted bugs", "planted", "--exact each_planted_bug_is_found").run()?;
    }
    if let Some(kills) = kills {
        test("killed processes", "kill", "--exact a_killed_process_loses_no_stored_record")
            .env("SPANWISE_CRASH_KILLS", &kills.to_string())
            .run()?;
    }
    Ok(())
}
