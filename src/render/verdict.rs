//! Says in a sentence why an occurrence is a detection, or why it is none.

use crate::catalog::Lang;
use crate::diagnose::{Because, Verdict, WhyNot};
use crate::record::Level;

/// One sentence without a full stop; text from a log in it is not yet made visible.
pub fn verdict(verdict: &Verdict, lang: Lang) -> String {
    match (verdict, lang) {
        (Ok(because), Lang::En) => because_en(because),
        (Ok(because), Lang::Zh) => because_zh(because),
        (Err(why), Lang::En) => why_not_en(why),
        (Err(why), Lang::Zh) => why_not_zh(why),
    }
}

fn because_en(because: &Because) -> String {
    match because {
        Because::ErrorField(name) => format!("reported: it is the value of the error field {name}"),
        Because::Brackets => "reported: it stands in brackets in a record of a failure".to_owned(),
        Because::Level(level) => format!("reported: its record has the level {}", level.as_str()),
        Because::FailureWord(word) => format!("reported: \"{word}\" before it speaks of a failure"),
        Because::MessageField(name) => format!("reported: it is the text of the error field {name}"),
        Because::Shown => "reported: it is quoted as a message that somebody saw".to_owned(),
    }
}

fn because_zh(because: &Because) -> String {
    match because {
        Because::ErrorField(name) => format!("会上报：它是错误字段 {name} 的值"),
        Because::Brackets => "会上报：它单独出现在括号中，且该记录描述了一次失败".to_owned(),
        Because::Level(level) => format!("会上报：所在记录的级别是 {}", level.as_str()),
        Because::FailureWord(word) => format!("会上报：前面的“{word}”说明这是一次失败"),
        Because::MessageField(name) => format!("会上报：它是错误字段 {name} 的文本"),
        Because::Shown => "会上报：它是作为提示信息被引用的".to_owned(),
    }
}

fn why_not_en(why: &WhyNot) -> String {
    match why {
        WhyNot::IsKey => "not reported: it is a key or a setting's name, not a value".to_owned(),
        WhyNot::Listed => "not reported: it stands in a list of codes".to_owned(),
        WhyNot::Path => "not reported: it is part of a path or a link".to_owned(),
        WhyNot::Metric => "not reported: it is a metric's label".to_owned(),
        WhyNot::SourceLine => "not reported: its line is source code that a traceback quotes".to_owned(),
        WhyNot::State(name) => format!("not reported: {name} holds an order's state, which is no failure yet"),
        WhyNot::OtherField(name) => format!("not reported: {name} is not a field for errors"),
        WhyNot::NoFailure => format!(
            "not reported: nothing around it speaks of a failure (a level of {} or worse, an error field, a word like \"failed\")",
            Level::Warn.as_str()
        ),
        WhyNot::NeedsProvider => {
            "not reported: this code is too common; nothing in the record or its source speaks for a payment provider"
                .to_owned()
        }
        WhyNot::OtherProvider => {
            "not reported: the record names another provider than the one whose text this is".to_owned()
        }
        WhyNot::NeedsField => {
            "not reported: it is too short to mean anything outside an error field or brackets".to_owned()
        }
        WhyNot::Translation => "not reported: it is the text of a table of messages".to_owned(),
        WhyNot::TalksAboutCodes(word) => {
            format!("not reported: \"{word}\" shows that the line talks about codes and reports none")
        }
    }
}

fn why_not_zh(why: &WhyNot) -> String {
    match why {
        WhyNot::IsKey => "不上报：它是键名或配置项名称，不是值".to_owned(),
        WhyNot::Listed => "不上报：它出现在一串错误码的列表里".to_owned(),
        WhyNot::Path => "不上报：它是路径或链接的一部分".to_owned(),
        WhyNot::Metric => "不上报：它是监控指标的标签".to_owned(),
        WhyNot::SourceLine => "不上报：所在行是异常堆栈引用的源代码".to_owned(),
        WhyNot::State(name) => format!("不上报：{name} 表示订单状态，还不是失败"),
        WhyNot::OtherField(name) => format!("不上报：{name} 不是错误字段"),
        WhyNot::NoFailure => {
            format!(
                "不上报：上下文没有说明发生了失败（{} 及以上级别、错误字段，或“失败”之类的词）",
                Level::Warn.as_str()
            )
        }
        WhyNot::NeedsProvider => "不上报：这个错误码太常见，记录和来源中没有任何支付平台的线索".to_owned(),
        WhyNot::OtherProvider => "不上报：记录中写明的是另一家支付平台".to_owned(),
        WhyNot::NeedsField => "不上报：太短，只有作为错误字段的值或单独出现在括号中才有意义".to_owned(),
        WhyNot::Translation => "不上报：它是消息对照表里的文本".to_owned(),
        WhyNot::TalksAboutCodes(word) => format!("不上报：“{word}”说明这一行只是在谈论错误码，并没有报告错误"),
    }
}
