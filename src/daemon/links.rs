//! Where the symbolic links of the sources lead: what happens to a file that has only a link in its source happens, and shows,
//! in the directories that the link leads through.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// More links in a row are a loop; Linux follows as many.
const MAX_HOPS: usize = 40;

/// Places, each with the links that lead there.
type Places = HashMap<PathBuf, HashSet<PathBuf>>;

#[derive(Debug, Default)]
pub struct Links {
    now: Places,
    /// As it was at the look before, in this run or an earlier one: a link may have been switched since.
    before: Places,
    stored: Places,
    /// The store may not know all of it.
    is_new: bool,
}

impl Links {
    /// What an earlier run has stored.
    pub fn load(stored: impl IntoIterator<Item = (PathBuf, PathBuf)>) -> Links {
        let mut places = Places::new();
        for (place, link) in stored {
            places.entry(place).or_default().insert(link);
        }
        Links { now: places.clone(), before: Places::new(), stored: places, is_new: false }
    }

    /// All links are followed anew.
    pub fn look_begins(&mut self) {
        self.before = std::mem::take(&mut self.now);
        self.is_new = true;
    }

    /// Follows a link, and returns the directories in which shows what becomes of the file that it leads to, or will lead to: each
    /// that it leads through, or the nearest that is there.
    pub fn follow(&mut self, link: &Path) -> Vec<PathBuf> {
        let (mut dirs, mut at) = (Vec::new(), link.to_path_buf());
        for _ in 0..MAX_HOPS {
            let Ok(target) = fs::read_link(&at) else { break };
            let target = at.parent().unwrap_or(Path::new("/")).join(target);
            let there =
                |dir: &Path| Some((fs::canonicalize(dir).ok()?, target.strip_prefix(dir).ok()?.components().next()?));
            let Some((dir, next)) = target.ancestors().skip(1).find_map(there) else { break };
            at = dir.join(next);
            self.is_new |= self.now.entry(at.clone()).or_default().insert(link.to_path_buf());
            dirs.push(dir);
        }
        dirs
    }

    /// The links that lead to a place.
    pub fn to(&self, place: &Path) -> impl Iterator<Item = &Path> {
        self.now.get(place).into_iter().flatten().map(PathBuf::as_path)
    }

    /// The name by which a place is, or was before, reached through a link: one that leads there, or to a directory that it is in.
    pub fn listed(&self, place: &Path) -> Option<PathBuf> {
        place.ancestors().find_map(|dir| {
            let link = [&self.now, &self.before].into_iter().find_map(|places| places.get(dir)?.iter().min())?;
            let rest = place.strip_prefix(dir).ok()?;
            Some(if rest.as_os_str().is_empty() { link.clone() } else { link.join(rest) })
        })
    }

    /// The places that links lead to, or led to before.
    pub fn places(&self) -> impl Iterator<Item = (&Path, &HashSet<PathBuf>)> {
        self.now.iter().chain(&self.before).map(|(place, links)| (place.as_path(), links))
    }

    /// All of it, if the store does not know it.
    pub fn changed(&mut self) -> Option<Vec<(PathBuf, PathBuf)>> {
        if !std::mem::take(&mut self.is_new) || self.now == self.stored {
            return None;
        }
        self.stored.clone_from(&self.now);
        Some(self.all())
    }

    pub fn all(&self) -> Vec<(PathBuf, PathBuf)> {
        let pairs =
            self.now.iter().flat_map(|(place, links)| links.iter().map(move |link| (place.clone(), link.clone())));
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn each_place_on_the_way_is_known_and_each_directory_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().canonicalize().unwrap().join(name);
        for name in ["logs", "pods", "docker"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("docker/j.log"), "").unwrap();
        symlink("../docker/j.log", path("pods/0.log")).unwrap();
        symlink(path("pods/0.log"), path("logs/app.log")).unwrap();
        symlink(path("later/1.log"), path("logs/next.log")).unwrap();
        symlink(path("logs/loop.log"), path("logs/loop.log")).unwrap();
        let mut links = Links::default();
        assert_eq!(links.follow(&path("logs/app.log")), [path("pods"), path("docker")]);
        assert_eq!(links.follow(&path("logs/next.log")), [path("")]);
        assert_eq!(links.follow(&path("docker/j.log")), [] as [PathBuf; 0]);
        links.follow(&path("logs/loop.log"));
        for place in ["pods/0.log", "docker/j.log"] {
            assert_eq!(links.to(&path(place)).collect::<Vec<_>>(), [path("logs/app.log")], "{place}");
        }
        assert_eq!(links.to(&path("later")).collect::<Vec<_>>(), [path("logs/next.log")]);
        // Only what changed is stored, and an earlier run's links are known until everything was looked at again.
        let stored = links.changed().unwrap();
        assert_eq!(links.changed(), None);
        let mut links = Links::load(stored);
        links.look_begins();
        assert_eq!(links.to(&path("docker/j.log")).count(), 0);
        assert_eq!(links.listed(&path("docker/j.log")), Some(path("logs/app.log")));
        assert_eq!(links.listed(&path("docker/j.log/below")), Some(path("logs/app.log/below")));
        links.look_begins();
        assert_eq!(links.listed(&path("docker/j.log")), None);
    }
}
