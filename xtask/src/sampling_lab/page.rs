//! The page: a chart and a table for each scenario.

use super::contestant::{Contestant, TARGET};
use super::measurements::HEADINGS;
use super::sheet::{Entry, Sheet};
use crate::lab::{self, Chart, Line, Row, Section};
use spanwise_testkit::load::Series;

/// The page.
pub(super) fn page(sheets: &[Sheet]) -> String {
    let sections: Vec<Section<'_>> = sheets.iter().map(section).collect();
    lab::page(
        "Sampling lab",
        "Adaptive algorithms under load, in virtual time. Each is to keep 1,000 roots a second, and \
         all are offered the same ones. The grey area is what is offered; the scale is logarithmic, \
         and its bottom is one root a second.",
        &sections,
    )
}

/// Sampled roots per second.
pub(super) fn chart(sheet: &Sheet) -> Chart<'_> {
    Chart {
        title: sheet.scenario.title,
        unit: "roots per second",
        seconds: sheet.scenario.seconds,
        // Less than one a second is none.
        least: 1.0,
        most: TARGET,
        area: Some(("offered", sheet.offered.clone())),
        target: Some("target"),
        lines: sheet.entries.iter().map(line).collect(),
    }
}

fn line(entry: &Entry) -> Line<'static> {
    Line {
        name: Contestant::name(entry.contestant),
        class: entry.contestant.class(),
        values: seconds(&entry.series),
    }
}

/// Sampled roots, by the second.
fn seconds(series: &Series) -> Vec<f64> {
    series.sampled.chunks(10).map(|tenths| tenths.iter().sum::<u32>().into()).collect()
}

fn section(sheet: &Sheet) -> Section<'_> {
    let row = |entry: &Entry| Row {
        class: entry.contestant.class(),
        name: entry.contestant.name().to_owned(),
        cells: entry.measurements.cells().to_vec(),
    };
    Section {
        name: sheet.scenario.name,
        title: sheet.scenario.title,
        description: sheet.scenario.description,
        charts: vec![chart(sheet).svg()],
        headings: &HEADINGS,
        rows: sheet.entries.iter().map(row).collect(),
    }
}
