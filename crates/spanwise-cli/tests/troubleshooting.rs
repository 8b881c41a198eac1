//! `docs/troubleshooting.md` has the sentence and the fix of each situation, and the output of the command in some.
//! `SPANWISE_BLESS=1` writes both.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use support::situations::{self, Situation};
use support::spanwise;

#[test]
fn the_page_has_each_situation() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/troubleshooting.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let written = between(&page, "sentences", &sentences());
    let written = between(&written, "transcripts", &transcripts());
    if std::env::var_os("SPANWISE_BLESS").is_some() {
        return std::fs::write(path, written).unwrap();
    }
    for (line, (present, right)) in page.lines().zip(written.lines()).enumerate() {
        assert_eq!(present, right, "line {}: SPANWISE_BLESS=1 writes it", line + 1);
    }
    assert_eq!(page.len(), written.len(), "SPANWISE_BLESS=1 writes the page");
}

/// `page` with `text` between the two markers `name`.
fn between(page: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}{text}{end}{after}")
}

fn sentences() -> String {
    let mut text = String::from("| symptom | the doctor's sentence | its fix |\n|---|---|---|\n");
    for situation in situations::all() {
        let Situation { name, check, status, finding, .. } = &situation;
        let (_, json) = spanwise(&["doctor", "--json"], &situation.variables);
        let report: Value = serde_json::from_str(&json).unwrap();
        let found = report["checks"].as_array().unwrap().iter().find(|it| it["check"] == *check);
        let found = found.unwrap();
        let text_of = |part: &str| {
            let part = found[part].as_str()?;
            Some(format!("`` {} ``", normal(part, &situation).trim_end()))
        };
        let sentence = match *finding {
            // The rest is the operating system's.
            open if open.ends_with(": ") => {
                format!("`` {}… ``", normal(&situation.finding(), &situation).trim_end())
            }
            _ => text_of("finding").unwrap(),
        };
        let fix = text_of("fix").unwrap_or_else(|| "the sentence has it".to_owned());
        writeln!(text, "| {name} | {status}, {check}: {sentence} | {fix} |").unwrap();
    }
    text
}

fn transcripts() -> String {
    let mut text = String::new();
    let mut found = 0;
    for situation in situations::all().iter().filter(|it| SHOWN.contains(&it.name)) {
        found += 1;
        let (status, output) = spanwise(&["doctor"], &situation.variables);
        let variables = situation.variables.iter().map(|(name, value)| format!("{name}={value} "));
        let command = format!("$ {}spanwise doctor", variables.collect::<String>());
        let transcript = format!("{command}\n{output}$ echo $?\n{status}\n");
        let transcript = normal(&transcript, situation);
        write!(text, "### {}\n\n```text\n{transcript}```\n\n", situation.name).unwrap();
    }
    assert_eq!(found, SHOWN.len(), "a transcript has no situation");
    text
}

/// Lines without the port, the trace id, the times and the paths of this run.
fn normal(lines: &str, situation: &Situation) -> String {
    let shown = if situation.name.contains("the port of gRPC") { ":4317" } else { ":4318" };
    let lines = lines.lines().map(|line| {
        let line = line.replace(&format!(":{}", situation.port), shown);
        let line = replaced(&line, "trace id ", "5b8efff798038103d269b633813fc60c", " ");
        let line = replaced(&line, "`spanwise doctor` in ", "1.2ms", ",");
        let line = replaced(&line, "the clock of this machine is ", "9 h 00 min", " behind");
        let line = replaced(&line, "localhost is ", "127.0.0.1", " [");
        replaced(&line, "OTEL_EXPORTER_OTLP_CERTIFICATE=", "/etc/otel/ca.pem", " spanwise") + "\n"
    });
    lines.collect()
}

/// `line` with `new` between `before` and the next `after`.
fn replaced(line: &str, before: &str, new: &str, after: &str) -> String {
    let Some((start, rest)) = line.split_once(before) else { return line.to_owned() };
    let end = rest.find(after).unwrap_or(rest.len());
    format!("{start}{before}{new}{}", rest.get(end..).unwrap_or_default())
}

/// The situations whose transcripts the page has.
const SHOWN: [&str; 11] = [
    "The endpoint has no scheme",
    "The sampler samples nothing",
    "No collector is listening",
    "OTLP/HTTP to the port of gRPC",
    "http to a port of TLS",
    "https to a port without TLS",
    "The path is there twice",
    "The certificate is of an unknown CA",
    "A web server or a proxy answers",
    "The credentials are missing",
    "The clock is wrong",
];
