//! A profile as a table of functions.

use crate::profile::Profile;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// Rows of the table.
const ROWS: usize = 40;

impl Profile {
    /// A table of the functions with the highest values of the default type: its own (`flat`) and with all
    /// that it calls (`cum`).
    pub fn to_text(&self) -> String {
        render(self, self.description.default)
    }
}

fn render(profile: &Profile, index: usize) -> String {
    let description = profile.description;
    let (name, unit) = description.sample_types.get(index).copied().unwrap_or_default();
    let mut functions: HashMap<String, (i64, i64)> = HashMap::new();
    let mut total = 0_i64;
    for sample in &profile.samples {
        let value = sample.values.get(index).copied().unwrap_or(0);
        total += value;
        let mut seen = HashSet::new();
        for (depth, function) in profile.functions(sample).enumerate() {
            // A recursive function counts once.
            if seen.insert(function.clone()) {
                let entry = functions.entry(function).or_default();
                entry.1 += value;
                entry.0 += if depth == 0 { value } else { 0 };
            }
        }
    }
    let mut text = format!("{}: {name} in {unit}, total {total}\n", description.name);
    if !profile.duration.is_zero() {
        let _infallible = writeln!(text, "duration {:.2} s", profile.duration.as_secs_f64());
    }
    for comment in &profile.comments {
        let _infallible = writeln!(text, "{comment}");
    }
    let mut rows: Vec<(String, (i64, i64))> = functions.into_iter().collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let share = |value: i64| value as f64 * 100.0 / total.max(1) as f64;
    let _infallible =
        writeln!(text, "{:>16} {:>6} {:>16} {:>6}  function", "flat", "flat%", "cum", "cum%");
    for (function, (flat, cum)) in rows.iter().take(ROWS) {
        let (flat_share, cum_share) = (share(*flat), share(*cum));
        let _infallible =
            writeln!(text, "{flat:>16} {flat_share:>5.1}% {cum:>16} {cum_share:>5.1}%  {function}");
    }
    if rows.len() > ROWS {
        let _infallible = writeln!(text, "and {} functions more", rows.len() - ROWS);
    }
    text
}
