//! A template that some message does not fit.

use super::case::*;
use super::receiver::*;
use crate::config::{Format, Template};

#[test]
fn a_message_that_it_cannot_render_is_put_apart_and_holds_up_no_other() {
    let receiver = Receiver::new(|_, _| Reply::Status(200));
    let mut case = Case::new(receiver.at);
    let file = case.dir.path().join("t.jinja");
    // Divides by zero for "poison 4" only.
    let source =
        r#"[{% for m in messages %}{{ 1 // (m.excerpt|length - 8) }},{"excerpt":{{ m.excerpt|json }}},{% endfor %}0]"#;
    std::fs::write(&file, source).unwrap();
    case.config.format = Format::Template(Template { file, content_type: "application/json".into() });
    let up = case.up();
    commit(&up, (0..9).map(|n| if n == 4 { event(n, "poison ") } else { event(n, "") }));
    let running = case.run(&up);
    wait_for("the others are delivered", || is_empty(&up));
    running.stop();
    assert_eq!(receiver.got().iter().flat_map(Got::events).collect::<Vec<_>>(), [0, 1, 2, 3, 5, 6, 7, 8]);
    let apart = up.store.standing(NAME).unwrap().apart.expect("it stands apart");
    assert!(apart.tries.last_error.unwrap().contains("t.jinja:1: "));
}
