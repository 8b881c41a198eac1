//! `--once`: one frame as plain text.

use super::history::History;
use super::palette::Palette;
use super::screen::Screen;
use super::source::Source;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget as _;
use std::thread;
use std::time::Duration;

/// A frame with the rates of one second.
///
/// # Errors
/// Those of [`Source::fetch`].
pub(super) fn frame(source: &Source) -> Result<String, String> {
    let mut history = History::default();
    history.push(source.fetch()?);
    thread::sleep(SECOND);
    history.push(source.fetch()?);
    let address = source.authority();
    let screen = Screen {
        address: &address,
        history: &history,
        problem: None,
        palette: Palette::monochrome(),
    };
    Ok(text(&screen, COLUMNS, ROWS))
}

/// The screen as lines without blanks at their ends, and without empty lines at its end.
pub(super) fn text(screen: &Screen<'_>, columns: u16, rows: u16) -> String {
    let area = Rect::new(0, 0, columns, rows);
    let mut buffer = Buffer::empty(area);
    screen.render(area, &mut buffer);
    let line = |row: u16| {
        let cells = (0..columns).filter_map(|column| buffer.cell((column, row)));
        let line: String = cells.map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned()
    };
    (0..rows).map(line).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

const SECOND: Duration = Duration::from_secs(1);
const COLUMNS: u16 = 80;
/// More than those of the smallest terminal: nothing has to fit on one.
const ROWS: u16 = 40;
