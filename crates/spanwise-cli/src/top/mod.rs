//! `spanwise top`.

mod fields;
mod follow;
#[cfg(test)]
mod frames;
mod history;
mod model;
mod once;
mod palette;
mod screen;
mod signals;
mod source;
mod terminal;
mod traces;
mod units;
mod waterfall;

use crate::address::Address;
use crate::command::{Arguments, Command, FileArgument, Output};
use source::Source;

pub const COMMAND: Command = Command {
    name: "top",
    usage: "[URL] [--once]",
    summary: "A running process in the terminal: rates, outcomes, lost spans, queue, export, newest traces",
    help: "Reads the JSON of the endpoint of `spanwise-admin` each second, and shows the rate of spans, their outcomes, the reasons of \
           losses, the fill of the budget and of the queue, the latency of exports, the last failure of each destination and the newest \
           traces. It reads snapshots and changes nothing in the process. URL is the endpoint, such as http://127.0.0.1:9464 (default), \
           with or without the path /debug/spanwise.\n\n\
           q or Ctrl-C quits, Ctrl-Z stops. With a value in NO_COLOR it uses no colours. --once prints one frame as plain text, \
           with the rates of one second.",
    file: FileArgument::Url,
    run,
};

fn run(arguments: &Arguments) -> Output {
    let url = arguments.url.as_deref().unwrap_or(DEFAULT_URL);
    let outcome = match Address::parse(url) {
        Err(problem) => Err(format!("the URL is not accepted: {problem}")),
        Ok(address) if arguments.once => once::frame(&Source::new(address)),
        Ok(address) => follow::run(Source::new(address)).map(|()| String::new()),
    };
    let is_well = outcome.is_ok();
    Output { text: outcome.unwrap_or_else(|problem| problem), is_well }
}

/// The default address of the endpoint.
const DEFAULT_URL: &str = "http://127.0.0.1:9464";
