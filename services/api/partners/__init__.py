"""The partners' dialect: its tokens, its envelope, its resources."""
