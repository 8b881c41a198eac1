//! `spanwise doctor`.

use crate::command::{Arguments, Command, FileArgument, Output};
use crate::{cargo_lock, features, rust_log};
use spanwise::Spanwise;

pub const COMMAND: Command = Command {
    name: "doctor",
    usage: "[--json]",
    summary: "Why do my spans not arrive? Sends one span, and names what is wrong and its fix",
    help: "Reads the settings as a program with Spanwise does: the environment's variables, and the file that \
           OTEL_CONFIG_FILE names. Resolves the host name, connects, makes the TLS session, sends a span named \
           `spanwise doctor` and explains the answer. Reads RUST_LOG and, if there is one, the Cargo.lock of the current \
           folder or of one above it. Takes at most 12 s. The command has all features of spanwise; one that the program \
           needs is named.\n\n\
           Each line ends with where its problem is visible: [outside] by this command alone, [process] by \
           spanwise::doctor() in the program alone, [both] by both.\n\n\
           The exit status is 0 if a span arrived. --json prints one object; an exporter that writes to the standard \
           output writes the span to the standard error instead.",
    file: FileArgument::None,
    run,
};

fn run(arguments: &Arguments) -> Output {
    let mut report = Spanwise::builder().doctor();
    let features = Spanwise::builder().explain().ok().and_then(|it| features::check(&it));
    let filter = std::env::var("RUST_LOG").ok();
    let found = std::env::current_dir().ok().and_then(|folder| cargo_lock::check_above(&folder));
    for check in [features, rust_log::check(filter.as_deref()), found].into_iter().flatten() {
        report.push(check);
    }
    let text = if arguments.json { report.to_json() } else { report.to_string() };
    Output { text, is_well: report.span_arrived() }
}
