//! A process that serves: started, observed, ended by its id.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A child process. The drop ends it.
pub(crate) struct Running {
    name: String,
    child: Child,
    errors: Arc<Mutex<VecDeque<String>>>,
}

impl Running {
    /// Starts `command`. Its standard error is read on a thread, which retains the last lines.
    ///
    /// # Errors
    /// The process or the thread does not start.
    pub(crate) fn start(name: &str, mut command: Command) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{name}: {error}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        end_with_parent(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        let errors = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(output) = child.stderr.take() {
            let lines = errors.clone();
            thread::Builder::new().spawn(move || retain_last(output, &lines)).map_err(failed)?;
        }
        Ok(Self { name: name.to_owned(), child, errors })
    }

    /// Standard input and output, once.
    pub(crate) fn pipes(&mut self) -> Option<(ChildStdin, BufReader<ChildStdout>)> {
        Some((self.child.stdin.take()?, BufReader::new(self.child.stdout.take()?)))
    }

    /// Waits until all these ports of 127.0.0.1 accept connections.
    ///
    /// # Errors
    /// The process ended, or `patience` passed; with the last lines of its standard error.
    pub(crate) fn wait_for_ports(
        &mut self,
        ports: &[u16],
        patience: Duration,
    ) -> Result<(), String> {
        let until = Instant::now() + patience;
        for &port in ports {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
                if let Some(status) = self.ended() {
                    return Err(format!("{} ended: {status}\n{}", self.name, self.last_lines()));
                }
                if Instant::now() > until {
                    let lines = self.last_lines();
                    return Err(format!("{}: port {port} is closed\n{lines}", self.name));
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last lines of standard error.
    pub(crate) fn last_lines(&self) -> String {
        let lines = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("    {line}\n")).collect()
    }

    /// Forgets the lines of standard error so far.
    pub(crate) fn forget_lines(&self) {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Asks the process to end, and kills it after ten seconds.
    ///
    /// # Errors
    /// It had ended before, or had to be killed.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        if let Some(status) = self.ended() {
            return Err(format!("{} had ended: {status}\n{}", self.name, self.last_lines()));
        }
        if self.terminate() {
            return Ok(());
        }
        Err(format!("{} was killed: it did not end in {GRACE:?}", self.name))
    }

    /// As [`stop`](Self::stop); returns the line of standard error with `text` in it, which is among the last ones.
    ///
    /// # Errors
    /// It had ended before, had to be killed, or did not write the line.
    pub(crate) fn stop_with_line(mut self, text: &str) -> Result<String, String> {
        if let Some(status) = self.ended() {
            return Err(format!("{} had ended: {status}\n{}", self.name, self.last_lines()));
        }
        if !self.terminate() {
            return Err(format!("{} was killed: it did not end in {GRACE:?}", self.name));
        }
        let mut found = None;
        wait_until(GRACE, || {
            let lines = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
            found = lines.iter().find(|line| line.contains(text)).cloned();
            found.is_some()
        });
        found.ok_or_else(|| format!("{} wrote no {text}\n{}", self.name, self.last_lines()))
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Returns whether the process ended by itself after the signal.
    fn terminate(&mut self) -> bool {
        // SAFETY: sends a signal to a child that was not waited for: its id is not reused.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        let until = Instant::now() + GRACE;
        while self.ended().is_none() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        let ended = self.ended().is_some();
        if !ended {
            let _ended_now = self.child.kill();
            let _ended_now = self.child.wait();
        }
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.terminate();
        }
    }
}

/// Polls `reached` until it returns true, at most for `patience`; returns its last answer.
pub(crate) fn wait_until(patience: Duration, mut reached: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + patience;
    loop {
        if reached() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Free ports of 127.0.0.1, for a program that cannot choose its own.
///
/// # Errors
/// The system has no port left.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    // All at once, so that they differ.
    let listeners: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().map_err(|error| error.to_string())?.port();
    }
    Ok(ports)
}

/// Reads lines until the end, and retains the last.
fn retain_last(output: impl Read, lines: &Mutex<VecDeque<String>>) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        match output.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == RETAINED {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
    }
}

/// A child must not outlive a parent that was killed.
fn end_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt as _;
        let signal = || {
            // SAFETY: one system call with constant arguments, which is safe after a fork.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            Ok(())
        };
        // SAFETY: the closure neither allocates nor takes a lock.
        unsafe { command.pre_exec(signal) };
    }
    #[cfg(not(target_os = "linux"))]
    let _unchanged = command;
}

/// The time for a process to end after the signal.
const GRACE: Duration = Duration::from_secs(10);
/// Lines of standard error that are retained.
const RETAINED: usize = 20;
/// Bytes of a retained line.
const MAX_LINE: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Running::start("the shell", command).unwrap()
    }

    #[test]
    fn a_process_that_ends_is_reported_with_its_last_lines() {
        let mut ended = shell("echo no such setting >&2; exit 4");
        let [port] = free_ports().unwrap();
        let problem = ended.wait_for_ports(&[port], Duration::from_secs(30)).unwrap_err();
        assert!(problem.contains("exit status: 4"), "{problem}");
        assert!(wait_until(Duration::from_secs(30), || ended.last_lines().contains("no such")));
        assert!(ended.stop().unwrap_err().contains("had ended"));
    }

    #[test]
    fn a_process_ends_by_its_signal() {
        assert_eq!(shell("exec sleep 600").stop(), Ok(()));
    }

    #[test]
    fn an_open_port_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut sleeping = shell("exec sleep 600");
        assert_eq!(sleeping.wait_for_ports(&[port], Duration::from_secs(30)), Ok(()));
    }
}
