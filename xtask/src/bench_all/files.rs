//! The report as files.

use super::html;
use super::report::Report;
use std::path::Path;

/// Writes `report.json`, `report.md` and `report.html`.
pub(super) fn write(report: &Report, folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    for (name, text) in [
        ("report.json", format!("{:#}\n", report.to_json())),
        ("report.md", report.to_markdown()),
        ("report.html", html::page(report)),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
