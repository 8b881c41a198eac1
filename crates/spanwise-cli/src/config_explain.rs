//! `spanwise config explain`.

use crate::command::{Arguments, Command, FileArgument, Output};
use crate::problems;
use spanwise::Spanwise;

pub const COMMAND: Command = Command {
    name: "config explain",
    usage: "[FILE] [--json]",
    summary: "Every effective setting, its value and its origin",
    help: "Resolves the settings as a program with Spanwise does, from the environment's variables and from the file of \
           OpenTelemetry's declarative configuration: FILE, or the one that OTEL_CONFIG_FILE names. Prints a row for each \
           setting in use: its value without secrets, and its origin, a variable, a line of the file or the default. \
           Reports follow: values that are ignored, settings without effect. Nothing is started and nothing sent.\n\n\
           The exit status is 1 if a program would not start with these settings. --json prints one object.",
    file: FileArgument::Optional,
    run,
};

fn run(arguments: &Arguments) -> Output {
    let builder = match &arguments.file {
        Some(file) => Spanwise::builder().with_config_file(file),
        None => Spanwise::builder(),
    };
    match (builder.explain(), arguments.json) {
        (Ok(explanation), false) => Output { text: explanation.to_string(), is_well: true },
        (Ok(explanation), true) => Output { text: explanation.to_json(), is_well: true },
        (Err(error), false) => Output { text: error.to_string(), is_well: false },
        (Err(error), true) => {
            let text = serde_json::json!({ "problems": problems::of(&error) }).to_string();
            Output { text, is_well: false }
        }
    }
}
