"""What extra-networks cards show, and what people do with the files behind them."""
