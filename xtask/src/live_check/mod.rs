//! `cargo xtask live-check`: the live page of a process, in headless Chromium.

mod numbers;
mod page;
mod process;
mod screenshots;
mod setup;
mod top;

use crate::Command;
use crate::browser::{Browser, Program, Scheme};
use crate::peers::{Cache, Options, Part, Report};
use page::Page;
use process::Process;
use setup::{Setup, WIDE};

pub(crate) const COMMAND: Command = Command {
    name: "live-check",
    summary: "the live page of a process, in headless Chromium",
    help: "\
Runs the example `live_view`, opens its page /debug/spanwise in Chromium, and runs cases:

  page/paint             the first paint after the start of the navigation, median of five; it is reported
  page/quiet             no error and no warning of the console, and no request to another origin
  page/numbers           the numbers on the page are those of the JSON that it drew
  page/width             no horizontal overflow at 360, 768 and 1280 pixels
  page/scheme            a dark and a light background, as the system prefers, and text of enough contrast
  page/hostile           names with markup stay text
  top/once               `spanwise top --once` shows the same process in a terminal
  page/end               the page reports that the process ended

  --only WORD            only cases whose name has WORD in it; may be repeated
  --write                after a minute of load with faults, writes the screenshots of docs/operations/
                         and the frame of `spanwise top` in docs/operations.md

Chromium is that of the system, or of Debian's package `chromium-headless-shell`, which is unpacked into
$XDG_CACHE_HOME/spanwise or ~/.cache/spanwise without an installation. Where neither is there, all cases are
skipped. Exit status 1 when a case has failed.",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    let mut report = Report::new(Options::parse(arguments)?);
    let program = Cache::open().and_then(|cache| Program::find(&cache));
    let program = match program {
        Ok(program) => program,
        Err(reason) => {
            let reason = format!("no Chromium: {}", reason.trim_end());
            CASES.iter().for_each(|(name, _)| report.skip(name, &reason));
            return report.finish();
        }
    };
    let mut browser = Browser::start(&program)?;
    report.version(browser.version()?);
    let process = Process::start()?;
    let write = report.options().write;
    let setup = Setup { browser: browser.into(), process: Some(process).into() };
    // The screenshots need the process, which the last case ends.
    let parts: &[(&str, Part<Setup>)] = match write {
        true => &[("screenshots", screenshots::write), ("page", cases)],
        false => &[("page", cases)],
    };
    report.run_parts(&setup, parts)
}

type Case = fn(&Setup) -> Result<String, String>;

const CASES: &[(&str, Case)] = &[
    ("page/paint", paint),
    ("page/quiet", |setup| on_page(setup, WIDE, Scheme::Light, |page| page.is_quiet())),
    ("page/numbers", |setup| on_page(setup, WIDE, Scheme::Light, numbers::check)),
    ("page/width", width),
    ("page/scheme", scheme),
    ("page/hostile", |setup| {
        on_page(setup, WIDE, Scheme::Light, |page| page.shows_markup_as_text())
    }),
    ("top/once", |setup| top::frame(&setup.url()?).map(|_| "a frame of the process".to_owned())),
    // The last one: it ends the process.
    ("page/end", end),
];

fn cases(setup: &Setup, report: &mut Report) -> Result<(), String> {
    for (name, case) in CASES {
        report.case(name, || case(setup));
    }
    Ok(())
}

/// Opens the page and waits until it has drawn two answers.
fn on_page(
    setup: &Setup,
    size: (u32, u32),
    scheme: Scheme,
    check: impl FnOnce(&mut Page<'_>) -> Result<String, String>,
) -> Result<String, String> {
    let url = setup.url()?;
    let mut browser = setup.browser.borrow_mut();
    let mut page = Page::open(&mut browser, &url, size, scheme)?;
    page.wait_for_answers(ANSWERS)?;
    check(&mut page)
}

fn paint(setup: &Setup) -> Result<String, String> {
    let mut times = Vec::new();
    for _ in 0..PAINTS {
        let url = setup.url()?;
        let mut browser = setup.browser.borrow_mut();
        times.push(Page::open(&mut browser, &url, WIDE, Scheme::Light)?.first_paint()?);
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(PAINTS / 2).copied().unwrap_or_default();
    let last = times.last().copied().unwrap_or_default();
    Ok(format!("{median:.0} ms, at most {last:.0} ms; the aim is {PAINT_AIM_MS} ms"))
}

fn width(setup: &Setup) -> Result<String, String> {
    let widths = [360, 768, 1280];
    for width in widths {
        let size = (width, 800);
        on_page(setup, size, Scheme::Light, |page| page.fits())
            .map_err(|it| format!("{width} px: {it}"))?;
    }
    Ok(format!("no overflow at {widths:?} pixels"))
}

fn scheme(setup: &Setup) -> Result<String, String> {
    let of = |scheme| {
        let outcome = on_page(setup, WIDE, scheme, |page| page.has_scheme(scheme));
        outcome.map_err(|problem| format!("{}: {problem}", scheme.name()))
    };
    Ok(format!("light: {}; dark: {}", of(Scheme::Light)?, of(Scheme::Dark)?))
}

fn end(setup: &Setup) -> Result<String, String> {
    on_page(setup, WIDE, Scheme::Light, |page| {
        let process = setup.process.take().ok_or("the process has ended")?;
        process.stop()?;
        page.reports_the_end()
    })
}

/// Answers that a page needs for rates.
const ANSWERS: usize = 3;
const PAINTS: usize = 5;
const PAINT_AIM_MS: u32 = 200;
