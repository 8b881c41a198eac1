//! `spanwise top` in a terminal of its own: it draws, and restores the terminal whatever ends it.
#![cfg(all(feature = "top", unix))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use spanwise_testkit::Peer;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::{answering, spanwise};

const PROCESS: &str = include_str!("top/process.json");

fn process() -> Peer {
    answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{PROCESS}", PROCESS.len()))
}

fn url(peer: &Peer) -> String {
    format!("http://{}", peer.address())
}

#[test]
fn one_frame_is_plain_text() {
    let peer = process();
    let (status, frame) = spanwise(&["top", &url(&peer), "--once"], &[]);
    assert_eq!(status, 0, "{frame}");
    assert!(frame.starts_with("spanwise top  shop  running  up 1:02:03  127.0.0.1:"), "{frame}");
    for shown in
        ["created            1234567", "queue_bytes", "HTTP 503: overloaded", "GET /users/{id}"]
    {
        assert!(frame.contains(shown), "{shown}: {frame}");
    }
    assert!(!frame.contains('\u{1b}'), "{frame:?}");
}

#[test]
fn a_failure_names_the_url_and_the_fix() {
    let other = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    for (url, problem, fix) in [
        (url(&other), "404 Not Found", "/debug/spanwise.json"),
        ("http://127.0.0.1:1".to_owned(), "the connection failed", "check that the process runs"),
    ] {
        let (status, text) = spanwise(&["top", &url, "--once"], &[]);
        assert_eq!(status, 1);
        assert!(text.starts_with(&format!("{url}/debug/spanwise.json: ")), "{text}");
        assert!(text.contains(problem) && text.contains(fix), "{text}");
    }
    let (status, text) = spanwise(&["top", "https://127.0.0.1:1"], &[]);
    assert!(status == 1 && text.contains("ssh -L"), "{text}");
    let (status, text) = spanwise(&["top", &url(&process())], &[]);
    assert!(status == 1 && text.contains("--once"), "no terminal: {text}");
}

/// The command in a terminal of 80 columns and 24 rows.
struct Session {
    child: Child,
    terminal: File,
    /// The terminal's other side, whose modes the command changes.
    slave: OwnedFd,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Session {
    fn start(peer: &Peer) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let open = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let slave = OwnedFd::from(open());
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise"));
        command.args(["top", &url(peer)]).env_clear().env("TERM", "xterm");
        let stdio = || Stdio::from(open());
        let child = command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let output = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, of_thread) = (File::from(terminal.try_clone().unwrap()), output.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = reader.read(&mut buffer) {
                of_thread.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { child, terminal: File::from(terminal), slave, output }
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap()).into_owned()
    }

    fn wait_for(&self, text: &str) {
        let is_there = || self.output().contains(text);
        assert!(wait_until(is_there), "{text}: {:?}", self.output());
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Waits for the end, and checks that the terminal is as it was.
    fn end(mut self) -> ExitStatus {
        let mut status = None;
        wait_until(|| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let Some(status) = status else {
            self.child.kill().unwrap();
            panic!("it does not end: {:?}", self.output());
        };
        assert!(!self.is_raw(), "raw mode is on");
        self.wait_for(LEAVE);
        self.wait_for(SHOW_CURSOR);
        status
    }
}

fn wait_until(is_reached: impl FnMut() -> bool) -> bool {
    let (mut is_reached, until) = (is_reached, Instant::now() + Duration::from_secs(30));
    while !is_reached() {
        if Instant::now() > until {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";

#[test]
fn a_key_ends_it_and_the_terminal_is_as_it_was() {
    for key in ["q", "\u{3}"] {
        let peer = process();
        let mut session = Session::start(&peer);
        session.wait_for(ENTER);
        session.wait_for("q quits");
        assert!(session.is_raw());
        session.terminal.write_all(key.as_bytes()).unwrap();
        assert_eq!(session.end().code(), Some(0));
    }
}

#[test]
fn a_signal_ends_it_and_the_terminal_is_as_it_was() {
    use std::os::unix::process::ExitStatusExt as _;
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let peer = process();
        let session = Session::start(&peer);
        session.wait_for("q quits");
        kill_process(Pid::from_child(&session.child), signal).unwrap();
        assert_eq!(session.end().signal(), Some(signal.as_raw()));
    }
}

#[test]
fn a_process_that_ends_is_reported_on_the_screen() {
    let peer = process();
    let mut session = Session::start(&peer);
    session.wait_for("q quits");
    drop(peer);
    session.wait_for("connection failed");
    session.terminal.write_all(b"q").unwrap();
    assert_eq!(session.end().code(), Some(0));
}

#[test]
fn a_new_size_is_drawn() {
    let peer = process();
    let mut session = Session::start(&peer);
    session.wait_for("q quits");
    // Too low for the second trace until it grows.
    assert!(!session.output().contains("0e0e0002"));
    let size = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&session.slave, size).unwrap();
    // The session has no controlling terminal, which sends the signal.
    kill_process(Pid::from_child(&session.child), Signal::WINCH).unwrap();
    session.wait_for("0e0e0002");
    session.terminal.write_all(b"q").unwrap();
    assert_eq!(session.end().code(), Some(0));
}
