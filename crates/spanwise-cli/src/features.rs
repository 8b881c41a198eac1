//! The features that a program needs for its settings: the command has all of them, and accepts what a program without
//! one refuses.

use spanwise::config::Explanation;
use spanwise::{CheckStatus, DoctorCheck, VisibleFrom};

/// The features that a program needs for these settings; `None` if the default ones suffice.
pub fn needed(explanation: &Explanation) -> Option<String> {
    let (last, before) = explanation.features().split_last()?;
    let before: String = before.iter().map(|feature| format!("`{feature}`, ")).collect();
    let features = if before.is_empty() { "feature" } else { "features" };
    Some(format!("needs the {features} {before}`{last}` of spanwise in the program"))
}

/// The check of the features.
pub fn check(explanation: &Explanation) -> Option<DoctorCheck> {
    let finding = format!("this configuration {}", needed(explanation)?);
    Some(DoctorCheck::new("features", CheckStatus::Passed, VisibleFrom::Outside, finding))
}
