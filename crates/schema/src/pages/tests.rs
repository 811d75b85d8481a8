use std::collections::BTreeSet;

use outcry_contracts::EVENTS;

use super::*;
use crate::consumers::Consumer;

/// Elements without an end.
const VOID: [&str; 1] = ["meta"];

fn groups() -> Consumers {
    Consumers(vec![Consumer {
        name: "ledger".to_owned(),
        topics: vec!["funds.#".to_owned()],
    }])
}

/// Names, in order, of the elements a page consists of.
///
/// # Panics
/// It is not well-formed.
fn elements(page: &str) -> Vec<String> {
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    let mut rest = page
        .strip_prefix("<!DOCTYPE html>")
        .expect("a document type");
    while let Some((text, after)) = rest.split_once('<') {
        assert!(
            !text.contains('>') || open.last() == Some(&"style"),
            "{text}"
        );
        for (_, entity) in text.match_indices('&').map(|(at, _)| text.split_at(at)) {
            let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
            assert!(
                known.iter().any(|known| entity.starts_with(known)),
                "{entity}"
            );
        }
        let (tag, behind) = after.split_once('>').expect("a tag's end");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
            continue;
        }
        let name = tag.split_once(' ').map_or(tag, |(name, _)| name);
        assert!(
            name.chars().all(|one| one.is_ascii_alphanumeric()),
            "<{tag}>"
        );
        seen.push(name.to_owned());
        if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} without an end");
    seen
}

/// What stands between two marks, everywhere.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let pieces = text.split(before).skip(1);
    pieces
        .filter_map(|piece| Some(piece.split_once(after)?.0))
        .collect()
}

#[test]
fn the_page_is_well_formed_and_loads_nothing() {
    let page = html(&groups());
    let elements = elements(&page);
    for loading in ["script", "link", "img", "iframe", "object"] {
        assert!(!elements.iter().any(|name| name == loading), "{loading}");
    }
    assert!(!page.contains("url(") && !page.contains("@import") && !page.contains("src="));
    let count = |wanted: &str| elements.iter().filter(|name| *name == wanted).count();
    assert_eq!((count("h1"), count("main"), count("title")), (1, 1, 1));
    assert_eq!(count("article"), EVENTS.len());
    assert_eq!(count("table"), count("caption"));
    println!("{} elements, {} tables", elements.len(), count("table"));
}

#[test]
fn every_link_leads_to_its_place_on_the_page() {
    let page = html(&groups());
    let ids = between(&page, " id=\"", "\"");
    let places: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(places.len(), ids.len(), "an id twice");
    let links = between(&page, "href=\"", "\"");
    assert!(links.len() > EVENTS.len());
    for link in links {
        assert!(
            places.contains(link.strip_prefix('#').expect("on the page")),
            "{link}"
        );
    }

    let page = markdown(&groups());
    let places: BTreeSet<&str> = between(&page, "<a id=\"", "\"").into_iter().collect();
    let links = between(&page, "](#", ")");
    assert!(links.len() > EVENTS.len());
    for link in links {
        assert!(places.contains(link), "{link}");
    }
}

#[test]
fn both_pages_say_of_every_event_what_its_contract_says() {
    let (html, markdown) = (html(&groups()), markdown(&groups()));
    for page in pages(&groups()) {
        let topic = page.entry.topic;
        let html = between(
            &html,
            &format!("<h3 id=\"{}\">", anchor(topic)),
            "</article>",
        );
        let [html] = html.as_slice() else {
            panic!("{topic} is not there once");
        };
        let markdown = between(&markdown, &format!("\n### {topic}\n"), "\n### ");
        let [markdown] = markdown.as_slice() else {
            panic!("{topic} is not there once in Markdown");
        };
        assert!(
            html.contains(&html::inline(&page.entry.description)),
            "{topic}"
        );
        for (name, value) in &page.facts {
            assert!(
                html.contains(&format!("<dt>{name}</dt><dd>{}</dd>", html::inline(value))),
                "{topic} {name}"
            );
            assert!(
                markdown.contains(&format!("- {name}: {}\n", markdown::inline(value))),
                "{topic} {name}"
            );
        }
        for field in &page.entry.fields {
            assert!(
                html.contains(&format!("<code>{}</code>", field.name)),
                "{topic} {}",
                field.name
            );
            assert!(
                markdown.contains(&format!("| `{}` |", field.name)),
                "{topic} {}",
                field.name
            );
        }
        assert!(html.contains(&html::escaped(&page.example)), "{topic}");
        assert!(markdown.contains(&page.example), "{topic}");
        let marks = page
            .entry
            .fields
            .iter()
            .filter(|field| field.personal)
            .count();
        assert_eq!(html.matches("class=\"mark\"").count(), marks, "{topic}");
        assert_eq!(markdown.matches("| personal |").count(), marks, "{topic}");
    }
}

#[test]
fn texts_cannot_become_markup() {
    assert_eq!(
        html::inline("a <b> & `c<d>` \"e\""),
        "a &lt;b&gt; &amp; <code>c&lt;d&gt;</code> &quot;e&quot;"
    );
    assert_eq!(
        markdown::inline("a <b> `c|d` *e*"),
        "a \\<b\\> `c|d` \\*e\\*"
    );
    assert_eq!(pieces("one ` alone"), [Piece::Words("one ` alone")]);
}

#[test]
fn types_that_the_pages_describe_are_linked() {
    assert_eq!(linked("string"), ("string", None, ""));
    let money = "outcry.types.v1.Money";
    assert_eq!(linked(money), ("", Some(money), ""));
    assert_eq!(
        linked("repeated outcry.options.v1.Role"),
        ("repeated ", Some("outcry.options.v1.Role"), "")
    );
    assert_eq!(
        linked("map<string, outcry.types.v1.Money>"),
        ("map<string, ", Some(money), ">")
    );
}
