//! Edits of the real contract: each breaking one is refused by the lock and named, each additive one
//! passes. Where `OUTCRY_BUF` names buf, as `cargo xtask test` says it, the table shows what buf
//! finds of it: the shape of messages, not the options and rules.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod edits;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use outcry_schema::compare::compare;
use outcry_schema::shape::Shape;
use prost_reflect::DescriptorPool;
use tempfile::TempDir;

use edits::Fate::{Passes, RefusedByBoth, RefusedByLock};
use edits::{EDITS, Edit};

/// Names the program buf.
const BUF: &str = "OUTCRY_BUF";
/// Set where nobody reads what a test prints: buf must be there.
const CI: &str = "CI";

/// A copy of the contract that may be edited.
struct Copy {
    folder: TempDir,
}

impl Copy {
    fn of_contract() -> Copy {
        let folder = TempDir::new().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        copy(&root.join("proto"), &folder.path().join("proto"));
        fs::copy(root.join("buf.yaml"), folder.path().join("buf.yaml")).unwrap();
        Copy { folder }
    }

    fn edited(edit: &Edit) -> Copy {
        let copy = Copy::of_contract();
        let path = copy.folder.path().join("proto").join(edit.file);
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.replacen(edit.old, edit.new, 1);
        assert_ne!(changed, text, "{}: the edit changes nothing", edit.name);
        fs::write(&path, changed).unwrap();
        copy
    }

    fn shape(&self) -> Shape {
        let root = self.folder.path().join("proto");
        let mut files = Vec::new();
        find(&root, &mut files);
        let mut compiler = protox::Compiler::new([&root]).unwrap();
        compiler.include_imports(true).open_files(files).unwrap();
        let descriptors = compiler.encode_file_descriptor_set();
        Shape::of(&DescriptorPool::decode(descriptors.as_slice()).unwrap())
    }

    fn buf(&self, buf: &str, arguments: &[&str]) -> Output {
        Command::new(buf)
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// Whether buf finds that this copy breaks what it has compiled before.
    fn breaks_by_buf(&self, buf: &str, old: &str) -> bool {
        let output = self.buf(buf, &["breaking", "--against", old]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // 100 is what buf exits with when it has findings; anything else is no answer.
        match output.status.code() {
            Some(0) => false,
            Some(100) => true,
            _ => panic!("buf: {text}{}", String::from_utf8_lossy(&output.stderr)),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[test]
fn breaking_edits_are_refused_and_named_and_additive_ones_pass() {
    let original = Copy::of_contract();
    let old = original.shape();
    for edit in EDITS {
        let changes = compare(&old, &Copy::edited(edit).shape());
        let at_place: Vec<_> = changes
            .iter()
            .filter(|change| change.place == edit.place)
            .collect();
        assert!(!at_place.is_empty(), "{}: {changes:#?}", edit.name);
        let breaking: Vec<_> = changes
            .iter()
            .filter(|change| change.is_breaking())
            .collect();
        if edit.fate == Passes {
            assert!(breaking.is_empty(), "{}: {breaking:#?}", edit.name);
        } else {
            let refused = at_place.iter().find(|change| change.is_breaking());
            let refused = refused.unwrap_or_else(|| panic!("{}: {changes:#?}", edit.name));
            assert!(!refused.breaks.is_empty(), "{}: {refused}", edit.name);
            println!("refused: {}: {refused}", edit.name);
        }
    }
    let count = |fate| EDITS.iter().filter(|edit| edit.fate == fate).count();
    println!(
        "lock: {} breaking edits refused, {} additive edits passed",
        count(RefusedByBoth) + count(RefusedByLock),
        count(Passes)
    );
}

#[test]
fn buf_finds_what_breaks_the_wire_and_not_what_breaks_an_option_or_a_rule() {
    let Ok(buf) = env::var(BUF) else {
        assert!(
            env::var_os(CI).is_none(),
            "{BUF} does not say where buf is: run the tests with `cargo xtask test`"
        );
        println!("buf is not asked: {BUF} does not say where it is");
        return;
    };
    let original = Copy::of_contract();
    let compiled = original.folder.path().join("old.binpb");
    let compiled = compiled.to_str().unwrap();
    assert!(
        original
            .buf(&buf, &["build", "-o", compiled])
            .status
            .success()
    );
    let (mut found, mut missed) = (0, 0);
    println!("{:<36} {:<8} buf", "edit", "lock");
    for edit in EDITS {
        let by_buf = Copy::edited(edit).breaks_by_buf(&buf, compiled);
        let word = |refused| if refused { "refuses" } else { "passes" };
        let by_lock = edit.fate != Passes;
        println!("{:<36} {:<8} {}", edit.name, word(by_lock), word(by_buf));
        assert_eq!(by_buf, edit.fate == RefusedByBoth, "{}", edit.name);
        found += usize::from(by_lock && by_buf);
        missed += usize::from(by_lock && !by_buf);
    }
    println!("buf breaking: {found} breaking edits found, {missed} missed that the lock refuses");
}
