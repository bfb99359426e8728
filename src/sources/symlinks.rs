//! The way to a file, through every link.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows before it speaks of a loop.
const MAX_LINKS: usize = 40;

/// The directories in which a change can lead a path to another file, and the names in them that
/// matter.
///
/// A watch on the file itself would die with it: editors and deployments replace files, links to
/// files, and links to directories. So each directory is watched in which a part of the path is a
/// link, and the one that holds the file. Where the way ends early, the last directory that exists
/// is, since it is there that the next part will appear.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Route {
    /// Without links, so that each stays the same directory while the watch lasts.
    pub(super) directories: BTreeSet<PathBuf>,
    names: BTreeSet<OsString>,
}

impl Route {
    pub(super) fn to(path: &Path) -> Self {
        let mut route = Self::default();
        let mut here = PathBuf::new();
        let mut ahead: VecDeque<OsString> = parts(path).collect();
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            match Path::new(&part).components().next() {
                Some(Component::Normal(_)) => {}
                // Exact, since nothing behind us is a link.
                Some(Component::ParentDir) => {
                    here.pop();
                    continue;
                }
                // An absolute one takes the place of what was before it.
                Some(Component::RootDir | Component::Prefix(_)) => {
                    here.push(part);
                    continue;
                }
                Some(Component::CurDir) | None => continue,
            }
            let next = here.join(&part);
            let kind = fs::symlink_metadata(&next).map(|metadata| metadata.file_type());
            if kind.as_ref().is_ok_and(fs::FileType::is_dir) && !ahead.is_empty() {
                here = next;
                continue;
            }
            route.directories.insert(here.clone());
            route.names.insert(part);
            match fs::read_link(&next) {
                Ok(target) if links < MAX_LINKS => {
                    links += 1;
                    for part in parts(&target).rev() {
                        ahead.push_front(part);
                    }
                }
                _ => break,
            }
        }
        route
    }

    /// Whether something that happened to `path` may matter.
    ///
    /// By name only: which of a directory's names the operating system reports differs.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        self.is_directory(path) || path.file_name().is_some_and(|name| self.names.contains(name))
    }

    /// Whether `path` is a directory that is watched, so that its watch may be dead.
    pub(super) fn is_directory(&self, path: &Path) -> bool {
        self.directories.contains(path)
    }
}

fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().map(|part| part.as_os_str().into())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;
    use std::vec::Vec;

    use super::*;

    fn directories(root: &Path, path: &str) -> Vec<PathBuf> {
        let below = |path: &PathBuf| path.strip_prefix(root).map(Path::to_path_buf);
        Route::to(&root.join(path)).directories.iter().filter_map(|path| below(path).ok()).collect()
    }

    fn paths<const N: usize>(paths: [&str; N]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn every_directory_in_which_a_change_leads_elsewhere_is_on_the_route() -> std::io::Result<()> {
        let root = tempfile::tempdir()?;
        let root = &root.path().canonicalize()?;
        fs::create_dir_all(root.join("releases/1/etc"))?;
        fs::write(root.join("releases/1/etc/plain"), "")?;
        symlink("releases/1", root.join("current"))?;
        symlink(root.join("current/etc/../etc/plain"), root.join("link"))?;
        symlink("loop", root.join("loop"))?;

        assert_eq!(directories(root, "releases/1/etc/plain"), paths(["releases/1/etc"]));
        assert_eq!(directories(root, "current/etc/plain"), paths(["", "releases/1/etc"]));
        assert_eq!(directories(root, "link"), paths(["", "releases/1/etc"]));
        assert_eq!(directories(root, "releases/2/etc/plain"), paths(["releases"]));
        assert_eq!(directories(root, "./releases/../current/missing"), paths(["", "releases/1"]));
        assert_eq!(directories(root, "loop"), paths([""]));
        Ok(())
    }

    #[test]
    fn neighbours_are_of_no_concern() -> std::io::Result<()> {
        let root = tempfile::tempdir()?;
        let root = &root.path().canonicalize()?;
        symlink("target", root.join("link"))?;
        let route = Route::to(&root.join("link"));

        for (name, concerns) in [("link", true), ("target", true), ("neighbour", false)] {
            assert_eq!(route.concerns(&root.join(name)), concerns, "{name}");
        }
        assert!(route.concerns(root), "the directory itself may be gone");
        Ok(())
    }
}
