//! Takes the address: a port, or a socket in the file system that this user and its group may connect to.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::config::Listen;

/// Who may connect to a socket in the file system.
const MODE: u32 = 0o660;

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("[http] listen = \"{address}\": {error}; choose another address, or end what uses this one")]
pub struct ListenError {
    address: Listen,
    error: io::Error,
}

/// What is listened on.
#[derive(Debug)]
pub enum Bound {
    Tcp(std::net::TcpListener),
    Unix(UnixListener),
}

/// Takes the address, so that a port in use is known before anything else is done.
///
/// # Errors
/// The address is in use, or not ours to use.
pub fn bind(address: &Listen) -> Result<Bound, ListenError> {
    let listen = || match address {
        Listen::Tcp(address) => {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(Bound::Tcp(listener))
        }
        Listen::Unix(path) => {
            let listener = bind_unix(path)?;
            listener.set_nonblocking(true)?;
            Ok(Bound::Unix(listener))
        }
    };
    listen().map_err(|error| ListenError { address: address.clone(), error })
}

/// What an earlier run has left there is replaced; what answers is not, and neither is a file of another kind.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Err(error) => return Err(error),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_nobody_answers_on_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http.sock");
        let first = bind(&Listen::Unix(path.clone())).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, MODE);
        let why = |path: &Path| bind(&Listen::Unix(path.to_path_buf())).unwrap_err().to_string();
        assert!(why(&path).contains("in use"), "{}", why(&path));
        drop(first);
        assert!(path.exists());
        drop(bind(&Listen::Unix(path.clone())).unwrap());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        assert!(why(&path).contains("no socket"), "{}", why(&path));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }
}
