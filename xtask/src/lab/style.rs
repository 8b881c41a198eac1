//! Colours and style sheets of charts and pages.

/// The colours as variables of a page, by light and in the dark.
pub(super) fn palette() -> String {
    let variables = |dark: bool| -> String {
        let one = |(name, light, night): &(&str, &str, &str)| {
            format!("--{name}:{};", if dark { night } else { light })
        };
        COLOURS.iter().map(one).collect()
    };
    format!(
        ":root{{{}}}@media(prefers-color-scheme:dark){{:root{{{}}}}}",
        variables(false),
        variables(true)
    )
}

/// The style of a chart in light colours: many viewers know no variables.
pub(super) fn light() -> String {
    COLOURS.iter().fold(STYLE.to_owned(), |style, (name, light, _)| {
        style.replace(&format!("var(--{name})"), light)
    })
}

/// Names, colours by light, colours in the dark.
const COLOURS: [(&str, &str, &str); 10] = [
    ("paper", "#ffffff", "#12161c"),
    ("ink", "#1c2430", "#e6e9ee"),
    ("soft", "#667085", "#98a2b3"),
    ("grid", "#dde1e7", "#2f3742"),
    ("offered", "#eef1f5", "#1d242d"),
    ("ours", "#1f6feb", "#6aa8ff"),
    ("trend", "#0a9396", "#41c7c0"),
    ("document", "#d9480f", "#ff8f5a"),
    ("jaeger", "#8a5cd1", "#b794f6"),
    ("fixed", "#b0b7c3", "#4d5766"),
];

/// The style of all elements of a chart.
pub(super) const STYLE: &str = "\
svg{font:12px system-ui,-apple-system,'Segoe UI',sans-serif}\
.paper{fill:var(--paper)}.grid{stroke:var(--grid);stroke-width:1}\
.tick{fill:var(--soft)}.offered{fill:var(--offered)}\
.target{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:5 4}\
.algorithm{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}\
.fixed{stroke:var(--fixed);stroke-width:1.2}\
.ours{stroke:var(--ours);stroke-width:2.6}.trend{stroke:var(--trend)}\
.document{stroke:var(--document)}.jaeger{stroke:var(--jaeger)}\
.name{fill:var(--ink)}.swatch.offered{stroke:none}";

/// The style of the page around them.
pub(super) const PAGE: &str = "\
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}\
main{max-width:960px;margin:0 auto;padding:32px 20px 64px}h1{font-size:28px;margin:0 0 8px}\
h2{font-size:19px;margin:44px 0 4px}p{margin:0 0 12px;color:var(--soft);max-width:75ch}\
nav{display:flex;flex-wrap:wrap;gap:6px 8px;margin:16px 0}nav a{color:var(--ink);text-decoration:none;\
border:1px solid var(--grid);border-radius:99px;padding:2px 12px;font-size:13px}\
svg{width:100%;height:auto;display:block}table{border-collapse:collapse;width:100%;font-size:13.5px;margin-top:6px}\
th,td{text-align:right;padding:5px 10px;border-bottom:1px solid var(--grid);font-variant-numeric:tabular-nums}\
th{font-weight:500;color:var(--soft)}tr th:first-child{text-align:left;color:var(--ink)}\
i{display:inline-block;width:18px;height:3px;border-radius:2px;margin-right:8px;vertical-align:middle}\
i.ours{background:var(--ours)}i.trend{background:var(--trend)}i.document{background:var(--document)}\
i.jaeger{background:var(--jaeger)}i.fixed{background:var(--fixed)}";
