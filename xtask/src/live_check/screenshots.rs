//! The screenshots of `docs/operations/`.

use super::page::Page;
use super::setup::{Setup, WIDE};
use super::top;
use crate::browser::Scheme;
use crate::peers::Report;
use crate::step::root;
use std::time::Duration;

/// Writes a screenshot of each kind, after a load in which every chart has something to show.
///
/// # Errors
/// The page cannot be opened, a file not be written, or one is too large for a repository.
pub(super) fn write(setup: &Setup, report: &mut Report) -> Result<(), String> {
    let url = setup.url()?;
    let mut browser = setup.browser.borrow_mut();
    let mut page = Page::open(&mut browser, &url, WIDE, Scheme::Light)?;
    // Built now, so that the frame is of the same load.
    top::frame(&url)?;
    println!("waiting {LOAD:?} for a load with faults");
    std::thread::sleep(LOAD);
    report.case("screenshot/top", || top::write(&url));
    page.pause()?;
    for (name, size, scheme) in SHOTS {
        report.case(&format!("screenshot/{name}"), || {
            page.tab().prefer(*scheme)?;
            page.tab().resize(*size)?;
            // The page draws a new size after a moment.
            page.tab().evaluate("new Promise((done) => setTimeout(done, 500))")?;
            let image = page.tab().screenshot()?;
            let path = root().join("docs/operations").join(name);
            std::fs::write(&path, &image)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            match image.len() {
                bytes @ ..=MAX_BYTES => Ok(format!("{} KiB", bytes / 1024)),
                bytes => Err(format!("{bytes} bytes, at most {MAX_BYTES}")),
            }
        });
    }
    Ok(())
}

const SHOTS: &[(&str, (u32, u32), Scheme)] = &[
    ("live-light.png", (1280, 920), Scheme::Light),
    ("live-dark.png", (1280, 920), Scheme::Dark),
    ("live-narrow.png", (360, 780), Scheme::Light),
];
const MAX_BYTES: usize = 150 << 10;
/// A slow receiver, a refusing one and two bursts of the example.
const LOAD: Duration = Duration::from_secs(70);
