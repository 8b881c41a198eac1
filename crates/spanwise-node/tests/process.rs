//! The binary as a process: signals, probes, and the exit status by the kind of a problem.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A folder with `node.yaml`, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(file: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("spanwise-node-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap();
        folder.write(file);
        folder
    }

    fn write(&self, file: &str) {
        fs::write(self.file(), file).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.0.join("node.yaml")
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _best_effort = fs::remove_dir_all(&self.0);
    }
}

/// A node that is ready, with the lines of its log.
struct Running {
    child: Child,
    lines: BufReader<std::process::ChildStderr>,
    admin: String,
}

impl Running {
    fn start(file: &Path) -> Self {
        let mut child = command(file).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let mut running = Self { child, lines, admin: String::new() };
        let line = running.line("admin_listening");
        running.admin = line.rsplit_once("address=").unwrap().1.trim().to_owned();
        running.line("ready");
        running
    }

    /// The next line of an event.
    fn line(&mut self, event: &str) -> String {
        let mut before = String::new();
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "no {event} in:\n{before}");
            if line.contains(&format!(" {event}")) {
                return line;
            }
            before.push_str(&line);
        }
    }

    fn send(&self, signal: &str) {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin)
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The exit status and the rest of the log.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn command(file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise-node"));
    command.arg(file).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn file(rest: &str) -> String {
    format!(
        "receivers: [{{endpoint: 127.0.0.1:0}}]\nmemory: {{limit_mib: 64}}\nadmin: {{endpoint: 127.0.0.1:0}}\n{rest}"
    )
}

const DEBUG: &str = "destinations: [{name: debug, debug: {}}]\n";

/// A start that fails: its output, within a time.
fn failed(file: &str) -> Output {
    let folder = Folder::new(file);
    failed_in(&folder)
}

fn failed_in(folder: &Folder) -> Output {
    let start = Instant::now();
    let output = command(&folder.file()).stderr(Stdio::piped()).output().unwrap();
    assert!(start.elapsed() < Duration::from_secs(20));
    output
}

fn check_failure(output: &Output, status: i32, line: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert!(text.lines().any(|it| it.contains(line)), "{line:?} in:\n{text}");
}

#[test]
fn a_node_is_ready_reloads_and_drains() {
    let folder = Folder::new(&file(DEBUG));
    let mut node = Running::start(&folder.file());
    assert!(node.get("/readyz").starts_with("HTTP/1.1 200 "));
    assert!(node.get("/metrics").contains("\nspanwise_node_ready 1\n"));

    node.send("-HUP");
    node.line("reloaded");
    folder.write("receiver: 5\ndestinatons: []\n");
    node.send("-HUP");
    let problem = node.line("reload_failed");
    assert!(problem.contains("receivers"), "{problem}");
    // A line for each key that needs a restart.
    folder.write(&file(DEBUG).replace("64", "128").replace("debug, debug", "other, debug"));
    node.send("-HUP");
    for key in ["memory", "destinations"] {
        let problem = node.line(&format!("reload_failed problem=\"{key} has changed"));
        assert!(problem.contains(" problems=2"), "{problem}");
    }
    assert!(node.get("/readyz").starts_with("HTTP/1.1 200 "), "the settings before stay");

    node.send("-TERM");
    let (status, rest) = node.end();
    assert_eq!(status, Some(0), "{rest}");
    assert!(rest.contains(" draining signal=SIGTERM "), "{rest}");
    assert!(rest.contains("each span has exactly one outcome"), "{rest}");
}

#[test]
fn a_log_in_json_has_one_object_on_each_line() {
    let folder = Folder::new(&file(&format!("{DEBUG}logs: {{format: json}}\n")));
    let mut child = command(&folder.file()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut events = Vec::new();
    let parse = |line: String| -> serde_json::Value { serde_json::from_str(&line).unwrap() };
    while events.last() != Some(&"ready".to_owned()) {
        let line = parse(lines.next().unwrap().unwrap());
        events.push(line["event"].as_str().unwrap().to_owned());
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let rest: Vec<serde_json::Value> = lines.map(|line| parse(line.unwrap())).collect();
    assert!(child.wait().unwrap().success());
    assert_eq!(rest.last().unwrap()["event"], "account");
    assert!(rest.last().unwrap()["account"]["imbalance"].is_null());
}

#[test]
fn a_port_in_use_is_status_3() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let receiver = format!("receivers: [{{endpoint: '{address}'}}]\n{DEBUG}");
    check_failure(&failed(&receiver), 3, &address.to_string());
    let admin = format!(
        "receivers: [{{endpoint: 127.0.0.1:0}}]\nadmin: {{endpoint: '{address}'}}\n{DEBUG}"
    );
    check_failure(&failed(&admin), 3, "choose another address");
}

#[test]
fn an_unreadable_key_is_status_4_and_a_file_with_mistakes_2() {
    let tls = format!(
        "receivers: [{{endpoint: 127.0.0.1:0, tls: {{cert_file: /nonexistent/a.pem, key_file: /nonexistent/b.pem}}}}]\n{DEBUG}"
    );
    check_failure(
        &failed(&tls),
        4,
        "receivers[0].tls.cert_file: /nonexistent/a.pem cannot be used",
    );
    let missing = "{ca_file: /nonexistent/ca.pem}";
    let destination = format!(
        "destinations: [{{name: a, otlp: {{endpoint: 'https://127.0.0.1:1', tls: {missing}}}}}]\n"
    );
    let line = "destinations[0].otlp.tls.ca_file: /nonexistent/ca.pem cannot be used";
    check_failure(&failed(&file(&destination)), 4, line);
    let peers = format!(
        "role: gateway\ngateway: {{resolver: {{static: {{hostnames: ['a:1']}}}}, protocol: {{tls: {missing}}}}}\n"
    );
    let line = "gateway.protocol.tls.ca_file: /nonexistent/ca.pem cannot be used";
    check_failure(&failed(&file(&peers)), 4, line);
    check_failure(&failed("destinatons: []\n"), 2, "destinations");
    let little = file(DEBUG).replace("limit_mib: 64", "limit_mib: 8");
    check_failure(&failed(&little), 2, "memory");
}

#[test]
fn a_second_start_on_the_same_spool_is_status_5() {
    let folder = Folder::new("");
    let spool = folder.path("spool");
    folder.write(&file(&format!(
        "destinations: [{{name: a, otlp: {{endpoint: 'http://127.0.0.1:9'}}, spool: {{directory: '{spool}', max_mib: 64}}}}]\n"
    )));
    let node = Running::start(&folder.file());
    check_failure(&failed_in(&folder), 5, &spool);
    node.send("-TERM");
    assert_eq!(node.end().0, Some(0));
}

#[test]
fn a_file_that_changes_is_read_again_without_a_signal() {
    let file = |rest: &str| {
        format!(
            "receivers: [{{endpoint: '127.0.0.1:0'}}]\ndestinations: [{{name: d, debug: {{}}}}]\nadmin: {{endpoint: '127.0.0.1:0'}}\nreload_interval: 1s\n{rest}"
        )
    };
    let folder = Folder::new(&file(""));
    let mut node = Running::start(&folder.file());
    folder.write(&file("shutdown_timeout: 3s\n"));
    node.line("reloaded");
    folder.write(&file("nonsense: 1\n"));
    let line = node.line("reload_failed");
    assert!(line.contains("nonsense: unknown key"), "{line}");
    node.send("-TERM");
    let (status, rest) = node.end();
    assert_eq!(status, Some(0), "{rest}");
    assert!(rest.contains("timeout_millis=3000"), "{rest}");
}
