//! `[http]` from TOML: where others can reach it, whoever asks needs a token.

use super::super::Http;
use super::super::defaults;
use super::super::kind::{self, sink};
use super::super::problem::Fault;
use super::super::table::Table;

pub(super) fn http(table: &mut Table<'_>) -> Http {
    let help = "Address of /metrics, /healthz, /readyz and /api/v1, or `unix:` and the path of a socket, for this user and its group";
    let listen = table.or("listen", &kind::address(), defaults::LISTEN, help);
    table.never("token", sink::literal().hint("write it to a file and name that in token_file"));
    let help = "File with the token that /metrics and /api ask for; needed where `listen` is not this host alone";
    let token_file = table.optional("token_file", &sink::file(), "none", help);
    let http = Http { listen, token_file };
    if !http.listen.is_of_this_host() && !table.has("token_file") {
        let listen = &http.listen;
        let fault =
            Fault::new(format!("\"{listen}\" can be reached from other hosts, so whoever asks has to show a token"));
        let how = "name a file with one in token_file (openssl rand -hex 32 > FILE), or listen on 127.0.0.1";
        table.fault("listen", fault.hint(how));
    }
    http
}
