//! The catalog as one HTML file: no script, nothing loaded from anywhere.

use outcry_events::catalog::{CatalogField, CatalogType, CatalogValue};

use super::{
    FIELDS, INTRODUCTION, OVERVIEW, PERSONAL, Page, Piece, TITLE, VALUES, anchor, envelope, linked,
    pages, pieces, types,
};
use crate::consumers::Consumers;

/// Colours follow the reader's system; contrast is at least 4.5 to 1 in both.
const STYLE: &str = "
:root { color-scheme: light dark; --text: #1b1f24; --ground: #ffffff; --quiet: #57606a; --line: #d0d7de; \
--panel: #f4f6f8; --link: #0550ae; --mark: #8a2c0d; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ed; --ground: #14171b; --quiet: #a3adb8; \
--line: #3a424b; --panel: #1e2329; --link: #7ab7ff; --mark: #ffb08a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; \
color: var(--text); background: var(--ground); }
a { color: var(--link); }
a:focus-visible, pre:focus-visible, .wide:focus-visible { outline: 3px solid var(--link); }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; color: var(--quiet); }
th, td { padding: 0.3rem 0.6rem; border: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { background: var(--panel); }
tbody th { font-weight: normal; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; overflow-wrap: anywhere; }
pre { padding: 0.8rem; background: var(--panel); overflow-x: auto; overflow-wrap: normal; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; }
dt { color: var(--quiet); }
dd { margin: 0; }
.mark { color: var(--mark); font-weight: bold; }
";

/// The page.
#[must_use]
pub fn html(consumers: &Consumers) -> String {
    let pages = pages(consumers);
    let mut out = String::new();
    let title = escaped(TITLE);
    out.push_str(&format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#events\">To the events</a>\n\
         <header>\n<h1>{title}</h1>\n{}\
         <nav aria-label=\"Contents\">\n<ul>\n<li><a href=\"#overview\">Overview</a></li>\n\
         <li><a href=\"#envelope\">Envelope</a></li>\n<li><a href=\"#events\">Events</a></li>\n\
         <li><a href=\"#types\">Types</a></li>\n</ul>\n</nav>\n</header>\n<main>\n",
        paragraphs(&format!(
            "{INTRODUCTION} Version {} of the platform.",
            env!("CARGO_PKG_VERSION")
        )),
    ));
    overview(&mut out, &pages);
    out.push_str("<section aria-labelledby=\"envelope\">\n<h2 id=\"envelope\">Envelope</h2>\n");
    fields(&mut out, "the envelope", envelope());
    out.push_str(
        "</section>\n<section aria-labelledby=\"events\">\n<h2 id=\"events\">Events</h2>\n",
    );
    for page in &pages {
        event(&mut out, page);
    }
    out.push_str("</section>\n<section aria-labelledby=\"types\">\n<h2 id=\"types\">Types</h2>\n");
    for (name, of_type) in types() {
        described_type(&mut out, name, of_type);
    }
    out.push_str("</section>\n</main>\n</body>\n</html>\n");
    out
}

fn overview(out: &mut String, pages: &[Page<'_>]) {
    out.push_str("<section aria-labelledby=\"overview\">\n<h2 id=\"overview\">Overview</h2>\n");
    begin_table(out, &format!("{} events", pages.len()), &OVERVIEW);
    for page in pages {
        let entry = page.entry;
        row(
            out,
            &[
                format!(
                    "<a href=\"#{}\"><code>{}</code></a>",
                    anchor(entry.topic),
                    escaped(entry.topic)
                ),
                inline(&entry.description),
                escaped(entry.owner),
                entry.version.to_string(),
                escaped(&page.consumers),
            ],
        );
    }
    end_table(out);
    out.push_str("</section>\n");
}

fn event(out: &mut String, page: &Page<'_>) {
    let (entry, id) = (page.entry, anchor(page.entry.topic));
    let topic = escaped(entry.topic);
    out.push_str(&format!(
        "<article aria-labelledby=\"{id}\">\n<h3 id=\"{id}\">{topic}</h3>\n"
    ));
    out.push_str(&paragraphs(&entry.description));
    out.push_str("<dl>\n");
    for (name, value) in &page.facts {
        out.push_str(&format!(
            "<dt>{}</dt><dd>{}</dd>\n",
            escaped(name),
            inline(value)
        ));
    }
    out.push_str("</dl>\n<h4>Fields</h4>\n");
    fields(out, entry.topic, &entry.fields);
    out.push_str(&format!(
        "<h4>Example</h4>\n<pre tabindex=\"0\" aria-label=\"Example of {topic}\"><code>{}</code></pre>\n</article>\n",
        escaped(&page.example),
    ));
}

fn described_type(out: &mut String, name: &str, of_type: &CatalogType) {
    let id = anchor(name);
    out.push_str(&format!(
        "<h3 id=\"{id}\">{}</h3>\n{}",
        escaped(name),
        paragraphs(&of_type.description)
    ));
    if of_type.values.is_empty() {
        fields(out, name, &of_type.fields);
    } else {
        values(out, name, &of_type.values);
    }
}

fn fields(out: &mut String, of: &str, fields: &[CatalogField]) {
    begin_table(out, &format!("Fields of {of}"), &FIELDS);
    for field in fields {
        let (before, name, after) = linked(&field.type_name);
        let link = name.map(|name| format!("<a href=\"#{}\">{}</a>", anchor(name), escaped(name)));
        let rules: Vec<String> = field.rules.iter().map(|rule| inline(rule)).collect();
        let mark = if field.personal {
            format!("<span class=\"mark\">{PERSONAL}</span>")
        } else {
            String::new()
        };
        row(
            out,
            &[
                format!("<code>{}</code>", escaped(&field.name)),
                field.number.to_string(),
                format!(
                    "<code>{}{}{}</code>",
                    escaped(before),
                    link.unwrap_or_default(),
                    escaped(after)
                ),
                inline(&field.comment),
                rules.join("; "),
                mark,
            ],
        );
    }
    end_table(out);
}

fn values(out: &mut String, of: &str, values: &[CatalogValue]) {
    begin_table(out, &format!("Values of {of}"), &VALUES);
    for value in values {
        row(
            out,
            &[
                format!("<code>{}</code>", escaped(&value.name)),
                value.number.to_string(),
                inline(&value.comment),
            ],
        );
    }
    end_table(out);
}

fn begin_table(out: &mut String, caption: &str, heads: &[&str]) {
    let caption = escaped(caption);
    out.push_str(&format!(
        "<section class=\"wide\" tabindex=\"0\" aria-label=\"{caption}\">\n<table>\n\
         <caption>{caption}</caption>\n<thead><tr>"
    ));
    for head in heads {
        out.push_str(&format!("<th scope=\"col\">{head}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
}

fn end_table(out: &mut String) {
    out.push_str("</tbody>\n</table>\n</section>\n");
}

/// A row of cells that are HTML already; the first one is its head.
fn row(out: &mut String, cells: &[String]) {
    out.push_str("<tr>");
    for (place, cell) in cells.iter().enumerate() {
        match place {
            0 => out.push_str(&format!("<th scope=\"row\">{cell}</th>")),
            _ => out.push_str(&format!("<td>{cell}</td>")),
        }
    }
    out.push_str("</tr>\n");
}

fn paragraphs(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.is_empty());
    paragraphs
        .map(|paragraph| format!("<p>{}</p>\n", inline(paragraph)))
        .collect()
}

/// A comment with its code.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Words(words) => out.push_str(&escaped(words)),
            Piece::Code(code) => out.push_str(&format!("<code>{}</code>", escaped(code))),
        }
    }
    out
}

/// A text that can stand between tags and in an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}
