//! The contexts that end a process: each in a process of its own.

use super::cell::{Behaviour, CallContext, Cell};
use super::trial::{Outcome, Trial, Variant, make_spans};
use serde_json::{Value, json};
use spanwise::Guard;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The option that makes a process the child of a run.
pub(super) const OPTION: &str = "--child";

/// Whether the call ends its process.
pub(super) fn is_needed(trial: &Trial) -> bool {
    match trial.cell.context {
        CallContext::MainEnd => true,
        CallContext::Exit => trial.variant.other_place(),
        _ => false,
    }
}

/// Runs the trial in a child process. Calls `prepared` once its spans are in the queue.
///
/// # Errors
/// If the process cannot be started, or prints no outcome.
pub(super) fn run(trial: &Trial, prepared: impl FnOnce()) -> Result<Outcome, String> {
    let failed = |error: std::io::Error| format!("the child of a run: {error}");
    let Trial { cell: Cell { context, behaviour, deadline }, variant, endpoint } = trial;
    let mut child = Command::new(this_program().map_err(failed)?)
        .args(["shutdown-matrix", OPTION, context.name(), behaviour.name()])
        .args([deadline.as_millis().to_string(), variant.0.to_string(), endpoint.clone()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let output = child.stdout.take().ok_or("the child of a run has no output")?;
    let mut output = BufReader::new(output);
    let (mut ready, mut answer) = (String::new(), String::new());
    output.read_line(&mut ready).map_err(failed)?;
    prepared();
    output.read_to_string(&mut answer).map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    match of_json(&answer) {
        Some(outcome) if status.success() => Ok(outcome),
        _ => Err(format!("the child of a run: {status}, it printed {answer:?}")),
    }
}

/// The program of this process. On Linux also after a build has replaced its file.
fn this_program() -> std::io::Result<PathBuf> {
    let linux = PathBuf::from("/proc/self/exe");
    if linux.exists() { Ok(linux) } else { std::env::current_exe() }
}

/// `main` of the child. The call happens when it returns.
///
/// # Errors
/// An argument is unknown, or the provider does not start.
pub(super) fn serve(arguments: &[String]) -> Result<(), String> {
    let trial = parse(arguments).ok_or_else(|| format!("{OPTION} {}", arguments.join(" ")))?;
    end_after(trial.cell.deadline + PATIENCE);
    match trial.cell.context {
        CallContext::MainEnd if trial.variant.other_place() => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            runtime.map_err(|error| error.to_string())?.block_on(async { main_of_program(trial) })
        }
        CallContext::MainEnd => main_of_program(trial),
        _ => shut_down_at_exit(trial),
    }
}

/// A program that holds its guard until the end of `main`.
fn main_of_program(trial: Trial) -> Result<(), String> {
    let guard = trial.builder().init().map_err(|error| error.to_string())?;
    make_spans(&guard);
    let _guard = MeasuredGuard { guard: Some(guard), trial };
    print_line("ready");
    Ok(())
}

/// A guard whose drop is measured.
struct MeasuredGuard {
    guard: Option<Guard>,
    trial: Trial,
}

impl Drop for MeasuredGuard {
    fn drop(&mut self) {
        let Some(guard) = self.guard.take() else { return };
        let spanwise = guard.provider().clone();
        let started = Instant::now();
        drop(guard);
        let elapsed = started.elapsed();
        print_line(&to_json(&self.trial.account(&spanwise, elapsed, None)));
    }
}

/// A program that shuts down in a handler of `atexit`, after the end of `main`.
fn shut_down_at_exit(trial: Trial) -> Result<(), String> {
    let spanwise = trial.prepare()?;
    let call = move || print_line(&to_json(&trial.shut_down(&spanwise)));
    *AT_EXIT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(call));
    // SAFETY: `at_exit` is a function without arguments, and does not unwind: it aborts instead.
    if unsafe { libc::atexit(at_exit) } != 0 {
        return Err("the system takes no handler of atexit".to_owned());
    }
    print_line("ready");
    Ok(())
}

extern "C" fn at_exit() {
    let call = AT_EXIT.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(call) = call {
        call();
    }
}

static AT_EXIT: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// Ends this process by a signal if it hangs.
fn end_after(patience: Duration) {
    // SAFETY: schedules a signal, whose default action ends this process.
    unsafe { libc::alarm(patience.as_secs() as libc::c_uint) };
}

fn print_line(line: &str) {
    // The parent reports a line that is missing.
    let _closed = writeln!(std::io::stdout(), "{line}");
}

fn parse(arguments: &[String]) -> Option<Trial> {
    let [context, behaviour, deadline, variant, endpoint] = arguments else { return None };
    let cell = Cell {
        context: CallContext::named(context)?,
        behaviour: Behaviour::named(behaviour)?,
        deadline: Duration::from_millis(deadline.parse().ok()?),
    };
    let variant = Variant(variant.parse().ok()?);
    Some(Trial { cell, variant, endpoint: endpoint.clone() })
}

fn to_json(outcome: &Outcome) -> String {
    json!({
        "overshoot_us": outcome.overshoot.as_micros() as u64,
        "exported": outcome.exported,
        "ambiguous": outcome.ambiguous,
        "problem": outcome.problem,
    })
    .to_string()
}

fn of_json(line: &str) -> Option<Outcome> {
    let json: Value = serde_json::from_str(line).ok()?;
    Some(Outcome {
        overshoot: Duration::from_micros(json["overshoot_us"].as_u64()?),
        exported: json["exported"].as_u64()?,
        ambiguous: json["ambiguous"].as_u64()?,
        problem: json["problem"].as_str().map(str::to_owned),
    })
}

/// The time for a child to end after its deadline.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_survives_its_line() {
        let outcome = Outcome {
            overshoot: Duration::from_micros(1234),
            exported: 5,
            ambiguous: 6,
            problem: Some("in \"quotes\"".to_owned()),
        };
        assert_eq!(of_json(&to_json(&outcome)), Some(outcome));
        assert_eq!(of_json(""), None);
    }
}
