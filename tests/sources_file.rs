//! `WatchedFile` against real files. Nothing is found by looking from time to time, unless a test
//! asks for it: the poll is off.

mod servers;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use figment::Figment;
use figment::providers::{Json, Toml};
use persevere::sources::{Updates, WatchedFile};
use servers::{SOON, n, next, next_good};
use tempfile::TempDir;

/// A folder with a settings file, and a stream that has seen it say 1.
struct Watched {
    folder: TempDir,
    path: PathBuf,
    updates: Updates,
}

impl Watched {
    fn new() -> Self {
        Self::at("settings.toml", |path| write(path, 1))
    }

    /// At another path, which `make` brings into being.
    fn at(path: &str, make: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(path);
        make(&path);
        let mut updates = source(&path).updates();
        assert_eq!(n(&next(&mut updates)), Ok(1));
        Self { folder, path, updates }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    #[track_caller]
    fn problem(&mut self) -> String {
        n(&next(&mut self.updates)).expect_err("a problem")
    }
}

fn source(path: &Path) -> WatchedFile<Toml> {
    WatchedFile::new(path).poll_every(Duration::MAX)
}

fn write(path: &Path, n: i64) {
    fs::write(path, format!("n = {n}\n")).expect("it can be written");
}

/// As editors do: write another file, and rename it over the first.
fn replace(path: &Path, n: i64) {
    let other = path.with_extension("new");
    write(&other, n);
    fs::rename(other, path).expect("it can be renamed");
}

#[test]
fn a_file_that_is_written_in_place_is_news() {
    let mut watched = Watched::new();
    for number in 2..5 {
        write(&watched.path, number);
        assert_eq!(n(&next(&mut watched.updates)), Ok(number));
    }
}

#[test]
fn a_watch_survives_a_rename() {
    let mut watched = Watched::new();
    for number in 2..5 {
        replace(&watched.path, number);
        assert_eq!(n(&next(&mut watched.updates)), Ok(number));
    }
    // Keeping a backup, as other editors do.
    fs::rename(&watched.path, watched.path.with_extension("toml~")).expect("a backup");
    write(&watched.path, 5);
    assert_eq!(next_good(&mut watched.updates), 5);
    write(&watched.path, 6);
    assert_eq!(n(&next(&mut watched.updates)), Ok(6));
}

#[test]
fn unchanged_content_makes_no_update() {
    let mut watched = Watched::new();
    write(&watched.path, 1);
    replace(&watched.path, 1);
    write(&watched.folder().join("neighbour.toml"), 7);
    write(&watched.path, 2);
    assert_eq!(n(&next(&mut watched.updates)), Ok(2));
}

#[test]
fn half_a_document_is_a_problem_and_the_whole_one_follows() {
    let mut watched = Watched::new();
    fs::write(&watched.path, "n = 2\nm = [").expect("half a document");
    let problem = watched.problem();
    assert!(problem.contains("invalid array\nexpected `]` in "), "{problem}");
    assert!(problem.ends_with("settings.toml TOML file"), "{problem}");
    fs::write(&watched.path, "n = 2\nm = []\n").expect("all of it");
    assert_eq!(n(&next(&mut watched.updates)), Ok(2));
}

#[test]
fn a_long_line_that_is_wrong_is_not_quoted_to_its_end() {
    let mut watched = Watched::new();
    fs::write(&watched.path, format!("n = {}", "x".repeat(100_000))).expect("written");
    let problem = watched.problem();
    assert!(problem.contains("n = xxxx") && problem.contains("settings.toml"), "{problem}");
    assert!(problem.chars().count() < 2_000, "{}", problem.len());
}

#[test]
fn a_file_that_is_being_written_is_left_alone_for_a_while() {
    let watched = Watched::new();
    let mut updates = source(&watched.path).settle(Duration::from_secs(2)).updates();
    assert_eq!(n(&next(&mut updates)), Ok(1));
    let mut file = File::options().append(true).open(&watched.path).expect("opened");
    let writer = thread::spawn(move || {
        for part in ["m = [", "2", "]\n"] {
            file.write_all(part.as_bytes()).expect("written");
            thread::sleep(Duration::from_millis(150));
        }
    });
    let whole = next(&mut updates).extract_inner::<Vec<i64>>("m");
    assert_eq!(whole.expect("never half of it"), [2]);
    writer.join().expect("written");
}

#[test]
fn an_emptied_file_is_given_time_to_be_written() {
    let mut watched = Watched::new();
    let mut updates = source(&watched.path).settle(Duration::from_millis(400)).updates();
    assert_eq!(n(&next(&mut updates)), Ok(1));
    File::create(&watched.path).expect("emptied");
    // Twice the time that the file has to rest, and a tenth of that of an empty one.
    thread::sleep(Duration::from_millis(800));
    write(&watched.path, 2);
    assert_eq!(n(&next(&mut updates)), Ok(2), "never empty");

    // In the end it is believed: no setting, and no error.
    assert_eq!(next_good(&mut watched.updates), 2);
    File::create(&watched.path).expect("emptied");
    let empty = next(&mut watched.updates);
    assert!(n(&empty).expect_err("nothing").starts_with("missing field"), "{:?}", n(&empty));
    assert_eq!(empty.extract::<BTreeMap<String, i64>>().expect("a document"), BTreeMap::new());
}

#[test]
fn a_deleted_file_is_a_problem_and_its_return_is_news() {
    let mut watched = Watched::new();
    fs::remove_file(&watched.path).expect("removed");
    let problem = watched.problem();
    assert!(problem.starts_with("the file does not exist"), "{problem}");
    assert!(problem.contains("settings.toml"), "{problem}");
    write(&watched.path, 1);
    assert_eq!(n(&next(&mut watched.updates)), Ok(1), "the same content as before");
    write(&watched.path, 2);
    assert_eq!(n(&next(&mut watched.updates)), Ok(2));
}

#[test]
fn a_deleted_directory_is_a_problem_and_its_return_is_news() {
    let mut watched = Watched::at("etc/app/settings.toml", |path| {
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        write(path, 1);
    });
    for round in 1..4 {
        fs::remove_dir_all(watched.folder().join("etc")).expect("removed");
        assert!(watched.problem().starts_with("the file does not exist"));
        fs::create_dir(watched.folder().join("etc")).expect("made");
        fs::create_dir(watched.folder().join("etc/app")).expect("made");
        replace(&watched.path, round);
        assert_eq!(n(&next(&mut watched.updates)), Ok(round));
    }
}

#[test]
fn a_directory_that_is_moved_away_is_not_mistaken_for_the_one_in_its_place() {
    let mut watched = Watched::at("app/settings.toml", |path| {
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        write(path, 1);
    });
    for round in 2..5 {
        let away = watched.folder().join(format!("away{round}"));
        fs::rename(watched.folder().join("app"), &away).expect("moved");
        fs::create_dir(watched.folder().join("app")).expect("made");
        replace(&watched.path, round);
        assert_eq!(next_good(&mut watched.updates), round);
        // Changes there belong to another file now.
        write(&away.join("settings.toml"), 100);
    }
}

#[test]
fn a_file_that_appears_later_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("not/yet/settings.toml");
    let mut updates = source(&path).updates();
    let missing = n(&next(&mut updates)).expect_err("a problem");
    assert!(missing.starts_with("the file does not exist"), "{missing}");
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    write(&path, 1);
    assert_eq!(next_good(&mut updates), 1);
}

#[test]
fn content_that_is_not_utf_8_is_a_problem() {
    let mut watched = Watched::new();
    fs::write(&watched.path, b"n = 2 # \xff\xfe").expect("written");
    let problem = watched.problem();
    assert!(
        problem.starts_with("not UTF-8: invalid utf-8 sequence of 1 bytes from index 8"),
        "{problem}"
    );
    write(&watched.path, 1);
    assert_eq!(n(&next(&mut watched.updates)), Ok(1));
}

#[test]
fn a_path_that_is_no_file_is_a_problem() {
    let mut watched = Watched::new();
    fs::remove_file(&watched.path).expect("removed");
    fs::create_dir(&watched.path).expect("made");
    let mut problem = watched.problem();
    if problem.starts_with("the file does not exist") {
        problem = watched.problem();
    }
    assert!(problem.starts_with("not a regular file"), "{problem}");
    fs::remove_dir(&watched.path).expect("removed");
    write(&watched.path, 2);
    assert_eq!(next_good(&mut watched.updates), 2);
}

#[test]
fn a_file_that_is_too_long_for_settings_is_not_read() {
    let mut watched = Watched::new();
    let lengthen = |length: usize| {
        let other = watched.path.with_extension("new");
        // A comment, which is one thing to the format: millions of lines would take it seconds.
        fs::write(&other, format!("n = 2 #{}", "-".repeat(length - 7))).expect("written");
        fs::rename(other, &watched.path).expect("renamed");
    };
    lengthen((10 << 20) + 1);
    let problem = n(&next(&mut watched.updates)).expect_err("a problem");
    assert!(problem.starts_with("the file is longer than 10 MiB in "), "{problem}");
    lengthen(10 << 20);
    assert_eq!(n(&next(&mut watched.updates)), Ok(2));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_a_problem_and_not_waited_for() {
    let mut watched = Watched::new();
    let pipe = watched.folder().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    fs::rename(&pipe, &watched.path).expect("moved");
    let problem = watched.problem();
    assert!(problem.starts_with("not a regular file"), "{problem}");
    replace(&watched.path, 2);
    assert_eq!(n(&next(&mut watched.updates)), Ok(2));
}

#[test]
fn the_poll_finds_changes_without_a_notification_and_later_the_watch_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("srv/app/settings.toml");
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    write(&path, 1);
    let mut updates = source(&path).poll_every(Duration::from_secs(4)).updates();
    assert_eq!(n(&next(&mut updates)), Ok(1));
    // The folder of a folder of the file is not watched.
    fs::rename(folder.path().join("srv"), folder.path().join("away")).expect("moved");
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    write(&path, 2);
    assert_eq!(next_good(&mut updates), 2);
    // By polls alone, these would take more than twice as long.
    let begun = Instant::now();
    for number in 3..13 {
        write(&path, number);
        assert_eq!(n(&next(&mut updates)), Ok(number));
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn content_that_the_poll_finds_half_written_is_not_read_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let srv = folder.path().join("srv");
    let path = srv.join("app/settings.toml");
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    write(&path, 1);
    let file = source(&path).poll_every(Duration::from_millis(100)).settle(Duration::from_secs(2));
    let mut updates = file.updates();
    assert_eq!(n(&next(&mut updates)), Ok(1));

    // The folder of a folder of the file is not watched.
    let new = folder.path().join("new/app");
    fs::create_dir_all(&new).expect("made");
    let mut half = File::create(new.join("settings.toml")).expect("made");
    half.write_all(b"n = 2\nm = [").expect("written");
    fs::rename(&srv, folder.path().join("away")).expect("moved");
    fs::rename(folder.path().join("new"), &srv).expect("moved");
    thread::sleep(Duration::from_millis(800));
    half.write_all(b"]\n").expect("written");
    assert_eq!(n(&next(&mut updates)), Ok(2), "never half of it");
}

#[test]
fn at_start_it_gives_the_content_or_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.json");
    let file = WatchedFile::<Json>::new(&path);
    let missing = n(&Figment::from(&file)).expect_err("a problem");
    assert!(missing.starts_with("the file does not exist"), "{missing}");

    fs::write(&path, r#"{"n": 1, "production": {"n": 2}}"#).expect("written");
    let figment = Figment::from(&file);
    assert_eq!(n(&figment), Ok(1));
    let wrong = figment.extract_inner::<bool>("n").expect_err("a number").to_string();
    assert!(wrong.contains("for key \"default.n\"") && wrong.contains("settings.json"), "{wrong}");
    let source = figment.find_metadata("n").and_then(|metadata| metadata.source.clone());
    assert_eq!(
        source.and_then(|source| source.file_path().map(Path::to_path_buf)),
        Some(path.clone())
    );

    let staging = Figment::from(file.clone().profile("staging"));
    assert!(n(&staging).is_err());
    assert_eq!(n(&staging.select("staging")), Ok(1));

    fs::write(&path, r#"{"default": {"n": 1}, "production": {"n": 2}}"#).expect("written");
    let nested = Figment::from(file.nested());
    assert_eq!((n(&nested), n(&nested.clone().select("production"))), (Ok(1), Ok(2)));
}

#[test]
fn updates_belong_to_the_profile_that_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.toml");
    fs::write(&path, "[default]\nn = 1\n[production]\nn = 2\n").expect("written");
    let mut updates = source(&path).nested().updates();
    assert_eq!(n(&next(&mut updates).select("production")), Ok(2));
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    /// As Kubernetes mounts a `ConfigMap`: the file is a link into `..data`, which is a link to a
    /// folder of this moment, and is replaced by a rename.
    fn mount(folder: &Path, moment: &str, n: i64) {
        fs::create_dir(folder.join(moment)).expect("made");
        write(&folder.join(moment).join("settings.toml"), n);
        symlink(moment, folder.join("..data_tmp")).expect("linked");
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("renamed");
    }

    #[test]
    fn a_swapped_link_is_news() {
        let mut watched = Watched::at("settings.toml", |path| {
            mount(path.parent().expect("a parent"), "..1", 1);
            symlink("..data/settings.toml", path).expect("linked");
        });
        for round in 2..6 {
            mount(watched.folder(), &format!("..{round}"), round);
            let old = watched.folder().join(format!("..{}", round - 1));
            fs::remove_dir_all(old).expect("removed");
            assert_eq!(n(&next(&mut watched.updates)), Ok(round));
        }
    }

    #[test]
    fn a_file_behind_a_link_is_watched_where_it_is() {
        let elsewhere = tempfile::tempdir().expect("a folder");
        let target = elsewhere.path().join("real.toml");
        write(&target, 1);
        let mut watched =
            Watched::at("settings.toml", |path| symlink(&target, path).expect("linked"));
        write(&target, 2);
        assert_eq!(n(&next(&mut watched.updates)), Ok(2));
        replace(&target, 3);
        assert_eq!(n(&next(&mut watched.updates)), Ok(3));
        // The link is replaced by a file, and the target is no longer ours.
        replace(&watched.path, 4);
        assert_eq!(n(&next(&mut watched.updates)), Ok(4));
        write(&target, 100);
        write(&watched.path, 5);
        assert_eq!(n(&next(&mut watched.updates)), Ok(5));
    }

    #[test]
    fn a_link_to_a_directory_on_the_way_is_watched() {
        let release = |folder: &Path, n: i64| {
            let name = format!("releases/{n}");
            fs::create_dir_all(folder.join(&name).join("etc")).expect("made");
            write(&folder.join(&name).join("etc/settings.toml"), n);
            symlink(name, folder.join("next")).expect("linked");
            fs::rename(folder.join("next"), folder.join("current")).expect("renamed");
        };
        let mut watched = Watched::at("current/etc/settings.toml", |path| {
            release(path.ancestors().nth(3).expect("the folder"), 1);
        });
        for number in 2..5 {
            release(watched.folder(), number);
            assert_eq!(n(&next(&mut watched.updates)), Ok(number));
        }
        write(&watched.folder().join("releases/4/etc/settings.toml"), 5);
        assert_eq!(n(&next(&mut watched.updates)), Ok(5));
    }

    #[test]
    fn a_link_that_leads_nowhere_is_a_problem_until_it_leads_somewhere() {
        let mut watched = Watched::new();
        fs::remove_file(&watched.path).expect("removed");
        assert!(watched.problem().starts_with("the file does not exist"));
        symlink("later/settings.toml", &watched.path).expect("linked");
        fs::create_dir(watched.folder().join("later")).expect("made");
        write(&watched.folder().join("later/settings.toml"), 2);
        assert_eq!(next_good(&mut watched.updates), 2);
    }
}
