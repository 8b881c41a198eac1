//! The terminal in raw mode, which ends with every way out: a key, a signal, an error, a panic.

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use std::io::{self, Stdout, stdout};
use std::panic;

/// The alternate screen of the terminal in raw mode. The drop restores the terminal.
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Enters the alternate screen.
    ///
    /// # Errors
    /// The terminal refuses raw mode, or cannot be written to.
    pub(super) fn enter() -> io::Result<Self> {
        restore_at_panic(restore);
        let entered = enter().and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match entered {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Restores the terminal, calls `action`, and enters again.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub(super) fn outside(&mut self, action: impl FnOnce()) -> io::Result<()> {
        restore();
        action();
        enter()?;
        self.terminal.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen)
}

/// Every step is tried: a terminal that closed fails them all.
fn restore() {
    let _closed = disable_raw_mode();
    let _closed = execute!(stdout(), LeaveAlternateScreen, Show);
}

/// The message of a panic is then on the screen that the user had, and readable.
fn restore_at_panic(restore: fn()) {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        restore();
        print(information);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[test]
    fn a_panic_restores_the_terminal() {
        static RESTORED: AtomicUsize = AtomicUsize::new(0);
        restore_at_panic(|| {
            RESTORED.fetch_add(1, Relaxed);
        });
        let before = RESTORED.load(Relaxed);
        let panicked = std::thread::spawn(|| panic!("of this test")).join();
        assert!(panicked.is_err() && RESTORED.load(Relaxed) > before);
    }
}
