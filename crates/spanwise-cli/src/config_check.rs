//! `spanwise config check`.

use crate::command::{Arguments, Command, FileArgument, Output};
use crate::{features, problems};
use serde_json::json;
use spanwise::Spanwise;
use std::fmt::Write as _;

pub const COMMAND: Command = Command {
    name: "config check",
    usage: "FILE [--json]",
    summary: "Whether a program starts with this configuration file, and every mistake with its place",
    help: "Reads a file of OpenTelemetry's declarative configuration as a program with Spanwise does. Each mistake is a line: \
           file:line:column, the path of the key, the problem, and the nearest known key. Parts without effect and values \
           that are ignored are warnings. Nothing is started, nothing sent, and no file of an exporter opened; ${VARIABLES} \
           have the values of this environment, and certificates are read. The command has all features of spanwise; those \
           that the program needs beyond the default ones are named.\n\n\
           The exit status is 0 if the file can be used, also with warnings. --json prints one object.",
    file: FileArgument::Required,
    run,
};

fn run(arguments: &Arguments) -> Output {
    let file = arguments.file.clone().unwrap_or_default();
    let checked = Spanwise::builder().with_config_file(&file).explain();
    let warnings: Vec<String> = match &checked {
        Ok(explanation) => explanation.reports().iter().map(ToString::to_string).collect(),
        Err(_) => Vec::new(),
    };
    let is_well = checked.is_ok();
    if arguments.json {
        let problems = checked.as_ref().err().map(problems::of).unwrap_or_default();
        let features = checked.as_ref().map(|it| it.features().to_vec()).unwrap_or_default();
        let text = json!({ "problems": problems, "warnings": warnings, "features": features });
        let text = text.to_string();
        return Output { text, is_well };
    }
    let text = match checked {
        Err(error) => error.to_string(),
        Ok(explanation) => {
            let mut text = format!("{}: it can be used", file.display());
            if let Some(needed) = features::needed(&explanation) {
                let _infallible = write!(text, ", and {needed}");
            }
            for warning in warnings {
                let _infallible = write!(text, "\nwarning: {warning}");
            }
            text
        }
    };
    Output { text, is_well }
}
