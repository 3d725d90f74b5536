//! What a server tells of its own accord on a stream that lasts.

use super::message::scanner;
use crate::header::{meta, method};
use crate::json::Text;

/// What a message without an answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The stream's first message, of the modern era.
    Acknowledged,
    /// A list or a resource is not what it was.
    Changed,
    /// Anything else.
    Other,
}

/// Reads what a message tells; None for a response, and for what is no message. It is looked through in place, without
/// allocation.
pub fn read(text: &[u8]) -> Option<Notice> {
    let mut notice = None;
    let read = scanner(text)?.object(|scanner, key| {
        if key.is("method") {
            notice = scanner.text()?.map(of_method);
        } else {
            scanner.skip()?;
        }
        Ok(())
    });
    notice.filter(|_| read.is_ok())
}

/// The subscription that a notification says it is of: the id of the request that asked for the stream, as it is written. None where
/// it says none, as in the older era.
pub fn subscription(text: &[u8]) -> Option<&str> {
    let mut id = None;
    let read = scanner(text)?.object(|scanner, key| {
        if !key.is("params") {
            return scanner.skip();
        }
        scanner.object(|scanner, key| {
            if !key.is("_meta") {
                return scanner.skip();
            }
            scanner.object(|scanner, key| {
                let value = scanner.value()?;
                if key.is(meta::SUBSCRIPTION_ID) {
                    id = Some(value);
                }
                Ok(())
            })
        })
    });
    id.filter(|_| read.is_ok())
}

fn of_method(named: Text<'_>) -> Notice {
    let changes = [
        method::TOOLS_LIST_CHANGED,
        method::PROMPTS_LIST_CHANGED,
        method::RESOURCES_LIST_CHANGED,
        method::RESOURCE_UPDATED,
    ];
    match () {
        () if changes.iter().any(|change| named.is(change)) => Notice::Changed,
        () if named.is(method::ACKNOWLEDGED) => Notice::Acknowledged,
        () => Notice::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str) -> Option<Notice> {
        read(format!(r#"{{"jsonrpc":"2.0","params":{{"method":"x","a":[1]}},"method":"{method}"}}"#).as_bytes())
    }

    #[test]
    fn notices_are_told_apart_by_their_method() {
        assert_eq!(of("notifications/subscriptions/acknowledged"), Some(Notice::Acknowledged));
        for what in ["tools/list_changed", "prompts/list_changed", "resources/list_changed", "resources/updated"] {
            assert_eq!(of(&format!("notifications/{what}")), Some(Notice::Changed), "{what}");
        }
        assert_eq!(of("notifications\\/resources\\/updated"), Some(Notice::Changed), "written another way");
        assert_eq!(of("notifications/message"), Some(Notice::Other));
    }

    #[test]
    fn a_notification_says_whose_it_is() {
        let of = |params: &str| format!(r#"{{"method":"notifications/tools/list_changed","params":{params}}}"#);
        let with = |id: &str| {
            of(&format!(r#"{{"x":[1],"_meta":{{"a":{{}},"io.modelcontextprotocol/subscriptionId":{id}}}}}"#))
        };
        assert_eq!(subscription(with("17").as_bytes()), Some("17"));
        assert_eq!(subscription(with(r#""17""#).as_bytes()), Some(r#""17""#));
        for none in [of("{}"), of("[]"), of(r#"{"_meta":{}}"#), of(r#"{"_meta":7}"#), with("")] {
            assert_eq!(subscription(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn a_response_and_what_is_no_message_tell_nothing() {
        for text in
            [r#"{"jsonrpc":"2.0","id":1,"result":{"method":"x"}}"#, r#"{"method":7}"#, "[]", "", r#"{"method":"x""#]
        {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read(b"{\"method\":\"\xff\"}"), None);
    }
}
