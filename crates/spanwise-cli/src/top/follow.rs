//! The interactive screen: one thread reads the process, this one the keys and the signals.

use super::history::History;
use super::model::Model;
use super::palette::Palette;
use super::screen::Screen;
use super::signals::{self, Request, Signals};
use super::source::Source;
use super::terminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread;
use std::time::Duration;

/// Shows the process until the user quits or a signal arrives.
///
/// # Errors
/// There is no terminal, it cannot be used, or the first answer fails.
pub(super) fn run(source: Source) -> Result<(), String> {
    if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
        return Err(
            "standard input and output have to be a terminal; --once prints one frame without one"
                .to_owned(),
        );
    }
    // A wrong URL is reported on the screen that stays.
    let mut history = History::default();
    history.push(source.fetch()?);
    let address = source.authority();
    let failed = |error: io::Error| format!("the terminal: {error}");
    let signals = Signals::register().map_err(failed)?;
    let answers = answers_of(source).map_err(failed)?;
    let mut screen = terminal::Screen::enter().map_err(failed)?;
    let ended = show(&mut screen, &signals, &answers, &mut history, &address);
    drop(screen);
    if let Some(signal) = ended.map_err(failed)? {
        signals::end_by(signal);
    }
    Ok(())
}

type Answer = Result<Model, String>;

/// Reads an answer each second, on a thread that ends with the receiver: a slow process delays no key.
fn answers_of(source: Source) -> io::Result<Receiver<Answer>> {
    let (sender, answers): (SyncSender<Answer>, _) = mpsc::sync_channel(1);
    let read = move || {
        loop {
            thread::sleep(INTERVAL);
            if sender.send(source.fetch()).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("spanwise-top".to_owned()).spawn(read)?;
    Ok(answers)
}

/// Returns the signal that ended it; `None` if the user did.
fn show(
    screen: &mut terminal::Screen,
    signals: &Signals,
    answers: &Receiver<Answer>,
    history: &mut History,
    address: &str,
) -> io::Result<Option<signals::Signal>> {
    let palette = Palette::of_environment();
    let (mut problem, mut is_changed): (Option<String>, bool) = (None, true);
    loop {
        if is_changed {
            let shown = Screen { address, history, problem: problem.as_deref(), palette };
            screen.terminal.draw(|frame| frame.render_widget(&shown, frame.area()))?;
            is_changed = false;
        }
        if event::poll(TICK)? {
            match action(&event::read()?) {
                Some(Action::Quit) => return Ok(None),
                Some(Action::Stop) => {
                    screen.outside(signals::stop)?;
                    is_changed = true;
                }
                Some(Action::Draw) => is_changed = true,
                None => {}
            }
        }
        match signals.take() {
            Some(Request::End(signal)) => return Ok(Some(signal)),
            Some(Request::Stop) => {
                screen.outside(signals::stop)?;
                is_changed = true;
            }
            None => {}
        }
        match answers.try_recv() {
            Ok(Ok(model)) => {
                history.push(model);
                (problem, is_changed) = (None, true);
            }
            Ok(Err(error)) => (problem, is_changed) = (Some(error), true),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                return Err(io::Error::other("the thread that reads the process ended"));
            }
        }
    }
}

/// The request of a key or of a change of the window.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    Quit,
    Stop,
    Draw,
}

fn action(event: &Event) -> Option<Action> {
    match event {
        Event::Resize(..) => Some(Action::Draw),
        Event::Key(KeyEvent { kind: KeyEventKind::Release, .. }) => None,
        Event::Key(key) if key.modifiers.contains(KeyModifiers::CONTROL) => match key.code {
            KeyCode::Char('c' | 'd') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Stop),
            // Draws over what another program wrote.
            KeyCode::Char('l') => Some(Action::Draw),
            _ => None,
        },
        Event::Key(key) => match key.code {
            KeyCode::Char('q' | 'Q') | KeyCode::Esc => Some(Action::Quit),
            _ => None,
        },
        _ => None,
    }
}

/// The time between two answers.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest time until a signal or an answer is noticed.
const TICK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let key = |code, modifiers| action(&Event::Key(KeyEvent::new(code, modifiers)));
        for code in [KeyCode::Char('q'), KeyCode::Char('Q'), KeyCode::Esc] {
            assert_eq!(key(code, KeyModifiers::NONE), Some(Action::Quit));
        }
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(key(KeyCode::Char('z'), KeyModifiers::CONTROL), Some(Action::Stop));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), None);
        assert_eq!(action(&Event::Resize(80, 24)), Some(Action::Draw));
        assert_eq!(action(&Event::FocusGained), None);
        let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        released.kind = KeyEventKind::Release;
        assert_eq!(action(&Event::Key(released)), None);
    }
}
