//! The page: two charts and a table for each scenario.

use super::calibration::Calibration;
use super::contestant::Contestant;
use super::judge::Record;
use super::sheet::{Entry, HEADINGS, MAX_RATIO, Sheet};
use crate::lab::{self, Chart, Line, Row, Section};

/// The page.
pub(super) fn page(sheets: &[Sheet], calibration: &Calibration) -> String {
    let sections: Vec<Section<'_>> = sheets.iter().map(section).collect();
    lab::page("Batching lab", &introduction(calibration), &sections)
}

fn introduction(calibration: &Calibration) -> String {
    format!(
        "Batch sizes under load, in virtual time, with the queue and the state machine that export in \
         production, and a model of the receiver. The cost is in microseconds of CPU time for each span that \
         ended: {:.0} µs for each request at client and receiver, {:.0} µs for each wake-up of the exporter's \
         thread, 0.25 µs for each second of a span's age when \
         it arrives, and 100 µs for each lost span. The CPU time of a span itself is the same for all sizes and \
         is left out. Ours may cost {MAX_RATIO} times the best fixed size in no scenario. Measured {calibration}",
        calibration.cpu_per_request(),
        calibration.wake
    )
}

fn section(sheet: &Sheet) -> Section<'_> {
    let row = |entry: &Entry| Row {
        class: entry.contestant.class(),
        name: entry.contestant.to_string(),
        cells: sheet.cells(entry),
    };
    let area = Some(("spans ended per second", sheet.offered.clone()));
    Section {
        name: sheet.scenario.name,
        title: sheet.scenario.title,
        description: sheet.scenario.description,
        charts: vec![
            chart(sheet, "spans per request", area, |record| &record.sizes).svg(),
            chart(sheet, "mean age, ms", None, |record| &record.ages).svg(),
        ],
        headings: &HEADINGS,
        rows: sheet.entries.iter().map(row).collect(),
    }
}

fn chart<'a>(
    sheet: &'a Sheet,
    unit: &'a str,
    area: Option<(&'a str, Vec<f64>)>,
    values: impl Fn(&Record) -> &Vec<f64>,
) -> Chart<'a> {
    let scale = if area.is_some() { 1.0 } else { 1e3 };
    let mut has_fixed = false;
    let lines = sheet.entries.iter().map(|entry| {
        // The legend names the thin lines once.
        let name = match entry.contestant {
            Contestant::Spanwise => "Spanwise",
            Contestant::Default => "the default",
            Contestant::Dynamic => "the document's",
            Contestant::Fixed(_) if !std::mem::replace(&mut has_fixed, true) => "fixed",
            Contestant::Fixed(_) => "",
        };
        let values = values(&entry.record).iter().map(|value| value * scale).collect();
        Line { name, class: entry.contestant.class(), values }
    });
    Chart {
        title: sheet.scenario.title,
        unit,
        seconds: sheet.scenario.seconds,
        least: 10.0,
        most: 1e3,
        lines: lines.collect(),
        area,
        target: None,
    }
}
