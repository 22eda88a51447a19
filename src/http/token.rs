//! The token that whoever asks has to show, as `Authorization: Bearer TOKEN`.
//!
//! Only a hash of it is kept. How long comparing takes tells nothing of it.

use std::path::Path;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::Secret;
use crate::secret::{SecretError, Secrets};

/// What is shorter can be guessed.
const SHORTEST: usize = 16;

/// Knows the token when it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("[http] token_file: {0}")]
    Secret(#[from] SecretError),
    #[error(
        "[http] token_file: it is shorter than {SHORTEST} characters, which can be guessed; make one with `openssl rand -hex 32`"
    )]
    Short,
    #[error("[http] token_file: it has characters that no header can carry; make one with `openssl rand -hex 32`")]
    Unfit,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Token {
    /// Reads it from its file.
    ///
    /// # Errors
    /// It is not there, or too weak.
    pub fn read(file: &Path) -> Result<Token, TokenError> {
        let secret = Secrets::default().read(&Secret::File(file.to_owned()))?;
        let token = secret.reveal();
        if token.len() < SHORTEST {
            return Err(TokenError::Short);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Unfit);
        }
        Ok(Token::of(token.as_bytes()))
    }

    fn of(text: &[u8]) -> Token {
        Token(Sha256::digest(text).into())
    }

    /// True if one of the headers shows it.
    pub(super) fn is_shown(&self, headers: &HeaderMap) -> bool {
        headers.get_all(AUTHORIZATION).iter().any(|value| {
            let (scheme, shown) = value.as_bytes().split_at_checked(7).unwrap_or_default();
            scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(Token::of(shown.trim_ascii()).0.ct_eq(&self.0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_it() {
        let token = Token::of(b"0123456789abcdef");
        for (shown, expected) in [
            ("Bearer 0123456789abcdef", true),
            ("bearer  0123456789abcdef", true),
            ("Bearer 0123456789abcdeF", false),
            ("Bearer 0123456789abcde", false),
            ("Bearer 0123456789abcdef0", false),
            ("Bearer", false),
            ("Bearer ", false),
            ("", false),
            ("Basic 0123456789abcdef", false),
            ("0123456789abcdef", false),
        ] {
            let headers = [(AUTHORIZATION, shown.parse().unwrap())].into_iter().collect();
            assert_eq!(token.is_shown(&headers), expected, "{shown}");
        }
        assert!(!token.is_shown(&HeaderMap::new()));
    }

    #[test]
    fn what_can_be_guessed_or_not_be_sent_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let file = dir.path().join("token");
            std::fs::write(&file, text).unwrap();
            Token::read(&file).map_err(|error| error.to_string())
        };
        assert!(read("0123456789abcdef\n").is_ok());
        assert!(read("0123456789abcde").unwrap_err().contains("can be guessed"));
        assert!(read("0123456789 abcdef").unwrap_err().contains("no header can carry"));
        assert_eq!(format!("{:?}", read("0123456789abcdef").unwrap()), "(hidden)");
    }
}
