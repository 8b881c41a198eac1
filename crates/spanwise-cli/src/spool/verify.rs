//! `spanwise spool verify`.

use super::failed::failed;
use super::words;
use crate::command::{Arguments, Command, FileArgument, Output};
use serde_json::{Value, json};
use spanwise_spool::{Problem, SpoolReader, Verified};

pub const COMMAND: Command = Command {
    name: "spool verify",
    usage: "DIRECTORY [--json]",
    summary: "Every damaged record of a spool, with its reason and its spans",
    help: "Reads and decompresses all records, compares their checksums and their numbers of spans, and reads all indexes. Prints a \
           line for each damage: the file, the record, the reason, and the spans that are lost by it. Nothing is changed. Needs no \
           lock: bytes behind the last record, which a running process may be writing, are printed and are no damage.\n\n\
           The exit status is 0 if all stored bytes are as they were written, and 1 if not. --json prints one object.",
    file: FileArgument::Spool,
    run,
};

fn run(arguments: &Arguments) -> Output {
    let mut reader = match SpoolReader::open(&arguments.spool.directory) {
        Ok(reader) => reader,
        Err(error) => return failed(&error.to_string(), arguments.json),
    };
    let mut problems = Vec::new();
    let verified = reader.verify(|problem| problems.push(problem.clone()));
    let text = match arguments.json {
        true => to_json(&problems, &verified),
        false => to_text(&problems, &verified),
    };
    Output { text, is_well: verified.is_intact() }
}

fn to_text(problems: &[Problem], verified: &Verified) -> String {
    let mut text: String = problems.iter().map(line).collect();
    text.push_str(&format!(
        "{}, {} and {} are intact",
        words::count(verified.segments, "segment"),
        words::count(verified.records, "record"),
        words::count(verified.spans, "span"),
    ));
    if verified.damaged_spans > 0 {
        let records = words::count(verified.damaged_records, "record");
        let spans = words::count(verified.damaged_spans, "span");
        text.push_str(&format!("; {records} with {spans} cannot be read"));
    }
    text.push('\n');
    text
}

fn line(problem: &Problem) -> String {
    let records = match (problem.record, problem.records) {
        (Some(record), 0 | 1) => format!(" record {record}:"),
        (Some(first), records) => format!(" records {first} to {}:", first + records - 1),
        (None, _) => String::new(),
    };
    let spans = match problem.spans {
        0 => String::new(),
        spans => format!(" ({})", words::count(spans, "span")),
    };
    let damage = words::printable(&problem.damage.to_string());
    format!("{}:{records} {damage}{spans}\n", problem.file_name)
}

fn to_json(problems: &[Problem], verified: &Verified) -> String {
    let problem = |it: &Problem| -> Value {
        json!({
            "file": it.file_name,
            "segment": it.segment,
            "record": it.record,
            "records": it.records,
            "spans": it.spans,
            "damage": it.damage.name(),
            "message": it.damage.to_string(),
        })
    };
    json!({
        "is_intact": verified.is_intact(),
        "segments": verified.segments,
        "records": verified.records,
        "spans": verified.spans,
        "damaged_records": verified.damaged_records,
        "damaged_spans": verified.damaged_spans,
        "problems": problems.iter().map(problem).collect::<Vec<_>>(),
    })
    .to_string()
}
