def preload(parser):
    parser.add_argument("--greeting", default="Hello", help="how greeter begins")
