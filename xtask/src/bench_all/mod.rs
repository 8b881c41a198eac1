//! `cargo xtask bench-all`: Spanwise and its rivals on the same workloads, in one table.

mod against;
mod build;
#[cfg(target_os = "linux")]
mod busy;
mod check;
mod claims;
mod contest;
mod files;
mod headline;
mod html;
mod instructions;
mod load;
mod machine;
mod micro;
mod options;
mod process;
mod progress;
mod repeat;
mod report;
mod row;
mod run;
mod statistics;
mod targets;

use crate::Command;
use crate::step::target;
use build::Binaries;
use options::Options;
use report::Report;

pub(crate) const COMMAND: Command = Command {
    name: "bench-all",
    summary: "Spanwise against its rivals: one table, one report, losses shown",
    help: options::HELP,
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    if options.check || options.bless {
        return check::check(&options);
    }
    let binaries = Binaries::build(&contest::rivals(|workload| options.wants(workload)))?;
    let other = options.against.as_deref().map(against::Revision::build).transpose()?;
    let rows = run::run(&options, &binaries, other.as_ref())?;
    let micro = micro::run(&options)?;
    let report = Report::new(rows, micro, options.quick);
    let folder = target().join("bench");
    files::write(&report, &folder)?;
    print!("{report}");
    if let Some(other) = &other {
        print!("{}", other.compare(&report.rows));
    }
    println!("\nThe whole report: {}", folder.join("report.html").display());
    Ok(())
}
