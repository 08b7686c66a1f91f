pub mod process_node;
