//! `cargo xtask sizing`: processor time, memory and bytes on the network by spans a second.

mod measured;
mod table;

use crate::command::Command;
use crate::demo_service::{self, End, Load, Options, Outcome};
use crate::markers::{self, Stale};
use crate::step::root;
use measured::{Measured, Row, Sample, Setup};
use spanwise_receiver::Receiver;
use spanwise_testkit::FaultProxy;
use std::process;

pub(crate) const COMMAND: Command = Command {
    name: "sizing",
    summary: "processor time, memory and bytes on the network by spans a second and compression",
    help: "\
Runs the demo's service in a process of its own at fixed rates: untraced, with default settings and each compression, and
with the production preset. The receiver and a relay that counts bytes are in this process. Prints medians over rounds of
processor time, so that other load of the machine matters little; rates at which the machine has no time left lose spans,
which the table shows. Fails if a ledger does not add up, or if the receiver counted other spans.

  --rates N,N    spans a second, default 1000,10000,100000,500000
  --seconds N    time of each run, default 4
  --rounds N     default 3
  --write        writes the tables of docs/production.md",
    run,
};

struct Plan {
    rates: Vec<u64>,
    seconds: f64,
    rounds: usize,
    write: bool,
}

fn run(arguments: &[String]) -> Result<(), String> {
    let plan = Plan::parse(arguments)?;
    let mut rows = Vec::new();
    for &rate in &plan.rates {
        let mut row = Row::new(rate);
        for round in 1..=plan.rounds {
            for setup in Setup::ALL {
                let sample = measure(&plan, rate, setup)?;
                println!("{rate} spans/s, round {round}, {}: {sample}", setup.name());
                row.add(setup, sample);
            }
        }
        rows.push(row);
    }
    let measured = Measured { rows, seconds: plan.seconds, rounds: plan.rounds };
    let table = table::render(&measured);
    println!("\n{table}");
    match plan.write {
        true => {
            let page = root().join("docs/production.md");
            markers::update(&page, "sizing", &table, Stale::Written)
        }
        false => Ok(()),
    }
}

/// One run of the service.
fn measure(plan: &Plan, rate: u64, setup: Setup) -> Result<Sample, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", setup.name());
    let receiver = Receiver::builder().start().map_err(|error| failed(&error))?;
    let relay = FaultProxy::start(receiver.address()).map_err(|error| failed(&error))?;
    let options = Options {
        endpoint: setup.is_traced().then(|| relay.endpoint()),
        load: Load::Rate(rate),
        seconds: plan.seconds,
        compression: setup.compression().to_owned(),
        is_production: setup == Setup::Production,
        ..Options::default()
    };
    let outcome = match demo_service::start(&options, |program| process::Command::new(program))? {
        End::Done(outcome) => outcome,
        End::Signal(signal) => return Err(failed(&format!("signal {signal} ended the process"))),
    };
    check(&outcome, receiver.stats().spans).map_err(|problem| failed(&problem))?;
    let wire = relay.traffic().request_bytes;
    receiver.shutdown();
    Ok(Sample::new(&outcome, wire, plan.seconds))
}

/// # Errors
/// The account is wrong.
fn check(outcome: &Outcome, received: u64) -> Result<(), String> {
    match &outcome.imbalance {
        Some(imbalance) => Err(format!("the ledger: {imbalance}")),
        None => outcome.check_received(received),
    }
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let rates = vec![1_000, 10_000, 100_000, 500_000];
        let mut plan = Self { rates, seconds: 4.0, rounds: 3, write: false };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            if name == "--write" {
                plan.write = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let bad = |accepted: &str| format!("{name} {value}: accepted is {accepted}");
            match name.as_str() {
                "--rates" => {
                    let rate =
                        |text: &str| text.parse().ok().filter(|it| (5..=10_000_000).contains(it));
                    let rates: Option<Vec<u64>> = value.split(',').map(rate).collect();
                    plan.rates = rates.ok_or_else(|| bad("5 to 10000000, with commas"))?;
                }
                "--seconds" => {
                    let seconds = value.parse().ok().filter(|it| (0.1..=3600.0).contains(it));
                    plan.seconds = seconds.ok_or_else(|| bad("0.1 to 3600"))?;
                }
                "--rounds" => {
                    let rounds = value.parse().ok().filter(|it| (1..=100).contains(it));
                    plan.rounds = rounds.ok_or_else(|| bad("1 to 100"))?;
                }
                _ => return Err(format!("no option {name}; see cargo xtask sizing --help")),
            }
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_account_is_an_error() {
        let outcome = Outcome { exported: 7, ..Outcome::default() };
        assert_eq!(check(&outcome, 7), Ok(()));
        assert!(check(&outcome, 8).is_err());
        let outcome = Outcome { imbalance: Some("off".to_owned()), ..outcome };
        assert_eq!(check(&outcome, 7), Err("the ledger: off".to_owned()));
    }

    #[test]
    fn options() {
        let parse = |words: &[&str]| {
            Plan::parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
        };
        let plan = parse(&["--rates", "5,100", "--write", "--rounds", "2"]).unwrap();
        assert_eq!((plan.rates, plan.rounds, plan.write), (vec![5, 100], 2, true));
        for wrong in [["--rates", "5,"], ["--seconds", "0"], ["--rounds", "x"], ["--rate", "5"]] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
