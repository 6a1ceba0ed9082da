"""Exit rules, one per module (design §5.6): what they are, and how they are found, read and stored."""

from engine.exit_rules.registry import (
    DecodedRules,
    LostRule,
    NoSuchRule,
    RuleError,
    RuleFault,
    decode_rules,
    encode_rules,
    parse_rules,
    read_rules,
    rule_named,
    rule_names,
    rule_table,
)
from engine.exit_rules.rule import ExitRule, Proposal, RuleFacts, RuleMemory, Story

__all__ = [
    "DecodedRules",
    "ExitRule",
    "LostRule",
    "NoSuchRule",
    "Proposal",
    "RuleError",
    "RuleFacts",
    "RuleFault",
    "RuleMemory",
    "Story",
    "decode_rules",
    "encode_rules",
    "parse_rules",
    "read_rules",
    "rule_named",
    "rule_names",
    "rule_table",
]
