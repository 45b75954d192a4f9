framerOrder.push("later.mjs");
