//! One case that ran.

#[derive(Debug)]
pub(super) struct Case {
    /// `part/…`
    pub(super) name: String,
    pub(super) outcome: Outcome,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With numbers.
    Passed(String),
    Failed(String),
    /// Only parts that are named optional.
    Skipped(String),
}

impl Outcome {
    /// The text for a cell of a table.
    pub(super) fn cell(&self) -> String {
        let text = match self {
            Self::Passed(text) => text.clone(),
            Self::Failed(text) => {
                format!("**failed**: {}", text.lines().next().unwrap_or_default())
            }
            Self::Skipped(text) => format!("skipped: {text}"),
        };
        text.replace('|', "\\|")
    }
}
