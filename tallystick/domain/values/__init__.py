"""What is named and counted: amounts, accounts, tokens, curves, holds, memos, instants; each checked when it is made."""
