//! The styles of the screen.

use ratatui::style::{Color, Modifier, Style};

/// Styles by their meaning. No information is in a colour alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    pub(super) plain: Style,
    pub(super) strong: Style,
    pub(super) faint: Style,
    pub(super) accent: Style,
    pub(super) good: Style,
    pub(super) bad: Style,
}

impl Palette {
    /// Colours of the terminal's own palette; without colour if the variable `NO_COLOR` has a value.
    pub(super) fn of_environment() -> Self {
        match std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            true => Self::monochrome(),
            false => Self::coloured(),
        }
    }

    pub(super) fn monochrome() -> Self {
        let plain = Style::new();
        Self {
            plain,
            strong: plain.add_modifier(Modifier::BOLD),
            faint: plain,
            accent: plain,
            good: plain,
            bad: plain.add_modifier(Modifier::BOLD),
        }
    }

    fn coloured() -> Self {
        let plain = Style::new();
        Self {
            plain,
            strong: plain.add_modifier(Modifier::BOLD),
            faint: plain.add_modifier(Modifier::DIM),
            accent: plain.fg(Color::Cyan),
            good: plain.fg(Color::Green),
            bad: plain.fg(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}
